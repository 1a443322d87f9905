/** The Worker of a portal actor. @module */
import { serveActor } from "../runtime/host.ts";
import { portal } from "./actor.ts";

serveActor(portal);
