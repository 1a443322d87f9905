/**
 * Worker entry of the device actor.
 *
 * @module
 */
import { serveActor } from "../runtime/host.ts";
import { device } from "./actor.ts";

serveActor(device);
