/**
 * The pages: what opens a link, and the owner's dashboard.
 *
 * @module
 */
import type { HubApp } from "../app.ts";
import type { Hub } from "../hub.ts";

export function pageRoutes(_app: HubApp, _hub: Hub): void {
}
