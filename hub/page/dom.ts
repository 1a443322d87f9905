/**
 * What both pages need of the document: elements made from data, never from markup, so that a name cannot
 * become a script.
 *
 * @module
 */
/// <reference lib="dom" />

type Child = Node | string | number | null | undefined | false;
type Attributes = Readonly<
  Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>
>;

/** An element. `on…` attributes are listeners; null, undefined and false leave an attribute out. */
export function h<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...present(children));
  return element;
}

/** Gives an element these children and no others. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...present(children));
}

function present(children: Child[]): (Node | string)[] {
  return children
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => typeof child === "number" ? String(child) : child as Node | string);
}

/** An element that the page's HTML has. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/** The address of a built file, which the page's HTML names: their names have hashes in them. */
export function assetUrl(name: string): string {
  const meta = document.querySelector(`meta[name="asset-${name}"]`);
  return meta?.getAttribute("content") ?? "";
}
