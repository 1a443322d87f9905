/**
 * Exclude patterns: which archive paths are left out.
 *
 * - without a slash: matches the name of any component (`node_modules`, `*.o`)
 * - with a slash: matches the last components of the path (`build/*.o`)
 * - with a leading slash: matches from the root of the archive (`/src/tmp`)
 * - `*` and `?` do not match `/`; `**` does; `[a-z]`, `[!a-z]`; `\` takes the next character as it is
 * - a trailing slash is ignored; what lies below an excluded directory is excluded with it
 *
 * @module
 */
import { WarpError } from "../base/errors.ts";
import { isAscii, type RawName } from "../base/fs/raw_name.ts";

export interface ExcludeRules {
  /** `path` ends with `name`; both as bytes. What encloses `path` was not excluded. */
  excludes(path: RawName, name: RawName): boolean;
}

/** @throws WarpError E_USAGE for an empty or unfinished pattern */
export function compileExcludes(patterns: readonly string[]): ExcludeRules | undefined {
  if (patterns.length === 0) return undefined;
  const names: RegExp[] = [], paths: RegExp[] = [];
  for (const pattern of patterns) {
    const trimmed = pattern.replace(/^\.\//, "").replace(/(?<=[^\\/])\/+$/, "");
    if (trimmed === "" || trimmed === "/") {
      throw new WarpError("E_USAGE", `the exclude pattern "${pattern}" matches nothing`);
    }
    const isAnchored = trimmed.startsWith("/");
    const source = translate(trimmed.replace(/^\/+/, ""), pattern);
    if (isAnchored) paths.push(new RegExp(`^${source}$`, "su"));
    else if (trimmed.includes("/")) paths.push(new RegExp(`(?:^|/)${source}$`, "su"));
    else names.push(new RegExp(`^${source}$`, "su"));
  }
  return {
    excludes(path, name) {
      const nameText = names.length === 0 ? "" : decode(name);
      for (const regexp of names) if (regexp.test(nameText)) return true;
      const pathText = paths.length === 0 ? "" : decode(path);
      for (const regexp of paths) if (regexp.test(pathText)) return true;
      return false;
    },
  };
}

function translate(glob: string, whole: string): string {
  const characters = [...glob];
  let out = "";
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i]!;
    if (character === "*") {
      let stars = 1;
      while (characters[i + 1] === "*") {
        stars++;
        i++;
      }
      const isWholeComponent = stars > 1 && (out === "" || out.endsWith("/")) &&
        characters[i + 1] === "/";
      if (isWholeComponent) {
        out += "(?:.*/)?"; // `**/` also matches nothing
        i++;
      } else {
        out += stars > 1 ? ".*" : "[^/]*";
      }
    } else if (character === "?") {
      out += "[^/]";
    } else if (character === "[") {
      const set = translateSet(characters, i);
      if (set === undefined) throw unfinished(whole, "[");
      out += set.source;
      i = set.end;
    } else if (character === "\\") {
      i++;
      if (i === characters.length) throw unfinished(whole, "\\");
      out += escape(characters[i]!);
    } else {
      out += escape(character);
    }
  }
  return out;
}

/** `characters[start]` is `[`; `end` is where its `]` stands. */
function translateSet(
  characters: string[],
  start: number,
): { source: string; end: number } | undefined {
  let i = start + 1;
  const isNegated = characters[i] === "!" || characters[i] === "^";
  if (isNegated) i++;
  const first = i;
  const ranges: string[] = [];
  for (; i < characters.length; i++) {
    if (characters[i] === "]" && i > first) {
      const source = isNegated ? `[^/${ranges.join("")}]` : `(?!/)[${ranges.join("")}]`;
      return { source, end: i };
    }
    if (characters[i] === "\\" && i + 1 < characters.length) i++;
    const low = characters[i]!;
    const isRange = characters[i + 1] === "-" && characters[i + 2] !== undefined &&
      characters[i + 2] !== "]";
    if (!isRange) {
      ranges.push(escape(low));
      continue;
    }
    const high = characters[i + 2]!;
    if (low.codePointAt(0)! > high.codePointAt(0)!) return undefined;
    ranges.push(`${escape(low)}-${escape(high)}`);
    i += 2;
  }
  return undefined;
}

function escape(character: string): string {
  return character === "/" ? "/" : `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

function unfinished(pattern: string, what: string): WarpError {
  return new WarpError("E_USAGE", `the exclude pattern "${pattern}" has a wrong "${what}"`);
}

/** As text; each byte that is not UTF-8 becomes one lone surrogate, so that `?` matches it. */
function decode(raw: RawName): string {
  if (isAscii(raw)) return raw;
  let text = "";
  for (let i = 0; i < raw.length;) {
    const [length, point] = readPoint(raw, i);
    text += length === 0
      ? String.fromCharCode(0xdc00 + raw.charCodeAt(i))
      : String.fromCodePoint(point);
    i += Math.max(1, length);
  }
  return text;
}

/** Length 0: no well-formed sequence begins here. */
function readPoint(raw: RawName, at: number): [length: number, point: number] {
  const first = raw.charCodeAt(at);
  if (first < 0x80) return [1, first];
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > raw.length) return [0, 0];
  let point = first & (0xff >> (length + 1));
  for (let i = 1; i < length; i++) {
    const next = raw.charCodeAt(at + i);
    if ((next & 0xc0) !== 0x80) return [0, 0];
    point = (point << 6) | (next & 0x3f);
  }
  const isShortest = point >= [0, 0, 0x80, 0x800, 0x10000][length]!;
  const isSurrogate = point >= 0xd800 && point <= 0xdfff;
  return isShortest && !isSurrogate && point <= 0x10ffff ? [length, point] : [0, 0];
}
