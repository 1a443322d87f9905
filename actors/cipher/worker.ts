/**
 * Worker entry of the cipher actor.
 *
 * @module
 */
import { serveActor } from "../runtime/host.ts";
import { cipher } from "./actor.ts";

serveActor(cipher);
