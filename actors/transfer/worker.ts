/** The Worker of a transfer actor. @module */
import { serveActor } from "../runtime/host.ts";
import { transfer } from "./actor.ts";

serveActor(transfer);
