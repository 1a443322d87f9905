/**
 * Worker entry of the stream actor.
 *
 * @module
 */
import { serveActor } from "../runtime/host.ts";
import { stream } from "./actor.ts";

serveActor(stream);
