/**
 * Names of users and groups, from /etc/passwd and /etc/group, read once.
 *
 * @module
 */

interface Names {
  names: Map<number, string>;
  ids: Map<string, number>;
}

let users: Names | undefined;
let groups: Names | undefined;

/** "" when the id has no name here. */
export function userName(uid: number): string {
  return (users ??= parse("/etc/passwd")).names.get(uid) ?? "";
}

export function groupName(gid: number): string {
  return (groups ??= parse("/etc/group")).names.get(gid) ?? "";
}

/** Undefined when nobody here has the name. */
export function userId(name: string): number | undefined {
  return (users ??= parse("/etc/passwd")).ids.get(name);
}

export function groupId(name: string): number | undefined {
  return (groups ??= parse("/etc/group")).ids.get(name);
}

/** Both files begin `name:password:id:`; the first line of a name or id counts. */
function parse(path: string): Names {
  const names = new Map<number, string>(), ids = new Map<string, number>();
  let text = "";
  try {
    text = Deno.readTextFileSync(path);
  } catch {
    // No such file on this system, or not for us: ids stay without names.
  }
  for (const line of text.split("\n")) {
    const [name, , id] = line.split(":");
    if (!name || !id || !/^\d+$/.test(id)) continue;
    if (!names.has(Number(id))) names.set(Number(id), name);
    if (!ids.has(name)) ids.set(name, Number(id));
  }
  return { names, ids };
}
