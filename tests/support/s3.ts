/**
 * An S3 server of a test file's own: s3rver from npm, as a Deno process on a port of loopback.
 *
 * @module
 */
const PACKAGE = "npm:s3rver@3.7.1";
/** What s3rver knows. */
export const CREDENTIALS = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };

export interface S3Server {
  /** `s3://…` of an empty prefix. */
  make(): string;
  port: number;
  /** Where the server keeps the objects of the bucket. */
  folder: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts a server that ends with the tests of the calling file. Undefined, said aloud, where the package
 * cannot be had; fails with `WARP_REQUIRE=all`.
 */
export async function startS3(): Promise<S3Server | undefined> {
  const cached = await new Deno.Command(Deno.execPath(), {
    args: ["cache", "--quiet", "--no-lock", "--no-config", PACKAGE],
    cwd: "/tmp",
    stderr: "piped",
  }).output();
  if (!cached.success) {
    const message = `SKIP: no ${PACKAGE}: ${new TextDecoder().decode(cached.stderr)}`;
    if (Deno.env.get("WARP_REQUIRE") === "all") throw new Error(message);
    console.log(message);
    return undefined;
  }
  const dir = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "warp-test-s3-" });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  let child: Deno.ChildProcess | undefined;
  let made = 0;
  const server: S3Server = {
    port,
    folder: `${dir}/warp`,
    make: () => `s3://warp/test/${++made}?endpoint=http://127.0.0.1:${port}&region=us-east-1`,
    async start() {
      child = new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "-A", "--quiet", "--no-lock", "--no-config", "--cached-only", PACKAGE],
          ...["-d", dir, "-a", "127.0.0.1", "-p", String(port), "-s"],
          ...["--configure-bucket", "warp"],
        ],
        cwd: dir,
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn();
      for (let tries = 0;; tries++) {
        try {
          const response = await fetch(`http://127.0.0.1:${port}/`);
          await response.body?.cancel();
          return;
        } catch (error) {
          if (tries > 300) throw error;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }
    },
    async stop() {
      const last = child;
      child = undefined;
      last?.kill("SIGKILL");
      await last?.status;
    },
  };
  Deno.test.afterAll(async () => {
    await server.stop();
    Deno.removeSync(dir, { recursive: true });
  });
  await server.start();
  return server;
}
