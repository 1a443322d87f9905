/** The Worker of a hub actor. @module */
import { serveActor } from "../actors/runtime/host.ts";
import { hub } from "./actor.ts";

serveActor(hub);
