/**
 * A real Chromium, and pages in it that note what they ask for, what they are refused, and what they complain of.
 *
 * Debian has it as `chromium`; `WARP_CHROMIUM` names another one.
 *
 * @module
 */
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const EXECUTABLE = Deno.env.get("WARP_CHROMIUM") ?? "/usr/bin/chromium";

/** Whether there is one on this machine. */
export function hasChromium(): boolean {
  try {
    return Deno.statSync(EXECUTABLE).isFile;
  } catch {
    return false;
  }
}

export interface Visit {
  page: Page;
  context: BrowserContext;
  /** Every request with its headers and body, as text: nothing secret may be in it. */
  requests: string[];
  /** Violations of the page's policy. */
  violations: string[];
  /** Errors that nothing caught. */
  faults: string[];
}

export interface VisitOptions {
  width?: number;
  height?: number;
  isDark?: boolean;
  /** Runs in the page before its own scripts. */
  before?: string;
}

/** Starts a browser for as long as `use` takes. */
export async function withBrowser(
  use: (browser: Browser) => Promise<void>,
  args: string[] = [],
): Promise<void> {
  const browser = await chromium.launch({
    executablePath: EXECUTABLE,
    args: ["--no-sandbox", "--disable-dev-shm-usage", ...args],
  });
  try {
    await use(browser);
  } finally {
    await browser.close();
  }
}

/** A fresh page in a context of its own, for as long as `use` takes. */
export async function visit(
  browser: Browser,
  url: string,
  use: (visit: Visit) => Promise<void>,
  { width = 1000, height = 800, isDark, before }: VisitOptions = {},
): Promise<void> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: isDark === true ? "dark" : "light",
    acceptDownloads: true,
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
  });
  const visit: Visit = {
    page: await context.newPage(),
    context,
    requests: [],
    violations: [],
    faults: [],
  };
  const { page } = visit;
  context.on("request", (request) => {
    const headers = JSON.stringify(request.headers());
    visit.requests.push(
      `${request.method()} ${request.url()} ${headers} ${request.postData() ?? ""}`,
    );
  });
  page.on("console", (message) => {
    if (/Content Security Policy/i.test(message.text())) visit.violations.push(message.text());
  });
  page.on("pageerror", (error) => visit.faults.push(String(error)));
  await context.addInitScript(`addEventListener("securitypolicyviolation", (event) =>
    console.error("Content Security Policy: " + event.violatedDirective + " " + event.blockedURI))`);
  if (before !== undefined) await context.addInitScript(before);
  try {
    await page.goto(url);
    await use(visit);
  } finally {
    await context.close();
  }
}

/** The file that a click downloads. */
export async function downloaded(
  { page }: Visit,
  click: () => Promise<void>,
): Promise<{ name: string; bytes: Uint8Array }> {
  const [download] = await Promise.all([page.waitForEvent("download"), click()]);
  const path = await download.path();
  return { name: download.suggestedFilename(), bytes: await Deno.readFile(path) };
}

/** How far the page is wider than the window: 0 where nothing is. */
export async function overflow({ page }: Visit): Promise<number> {
  return await page.evaluate(
    "document.documentElement.scrollWidth - document.documentElement.clientWidth",
  ) as number;
}
