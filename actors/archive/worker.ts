/**
 * Worker entry of the archive actor.
 *
 * @module
 */
import { serveActor } from "../runtime/host.ts";
import { archive } from "./actor.ts";

serveActor(archive);
