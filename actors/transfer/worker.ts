/** The Worker of a transfer actor. @module */
import { nodeCrypto } from "../base/node_crypto.ts";
import { serveActor } from "../runtime/host.ts";
import { transfer } from "./actor.ts";

serveActor(transfer);
// Every transfer needs it, and it takes 30 ms: better while the command line is still being read.
nodeCrypto();
