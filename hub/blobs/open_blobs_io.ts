/**
 * The blob store that an address names.
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";
import type { Blobs } from "./blobs.ts";

/**
 * `s3://BUCKET/PREFIX?endpoint=URL&region=NAME&style=path|host` with the credentials of the environment
 * (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), `file:PATH`, or a path.
 *
 * @throws {WarpError} E_CONFIG, E_STORE; what opening a folder throws
 */
export async function openBlobs(url: string): Promise<Blobs> {
  if (url.startsWith("s3:")) {
    const accessKeyId = Deno.env.get("AWS_ACCESS_KEY_ID");
    const secretAccessKey = Deno.env.get("AWS_SECRET_ACCESS_KEY");
    const sessionToken = Deno.env.get("AWS_SESSION_TOKEN");
    if (!accessKeyId || !secretAccessKey) {
      throw new WarpError("E_CONFIG", "a bucket needs credentials", {
        hint: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
      });
    }
    const { openS3 } = await import("./s3_io.ts");
    const credentials = { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
    return await openS3(url, { credentials });
  }
  const path = url.startsWith("file:") ? url.slice("file:".length) : url;
  if (path === "" || /^[a-z][a-z0-9+]+:\/\//i.test(path)) {
    throw new WarpError("E_CONFIG", "not the address of a blob store", {
      hint: "a folder, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME",
    });
  }
  const { openDirectory } = await import("./directory_io.ts");
  return await openDirectory(path);
}
