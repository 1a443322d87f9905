/**
 * Worker entry of the chunker actor.
 *
 * @module
 */
import { serveActor } from "../runtime/host.ts";
import { chunker } from "./actor.ts";

serveActor(chunker);
