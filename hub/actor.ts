/**
 * The hub actor: one hub, from start to stop.
 *
 * @module
 */
import { defineActor } from "../actors/runtime/define_actor.ts";
import { SYSTEM_CLOCK } from "./hub.ts";
import type { HubOptions, HubProtocol } from "./protocol.ts";
import { type RunningHub, startHub } from "./serve_io.ts";

export const hub = defineActor<HubProtocol, RunningHub, HubOptions>()({
  name: "hub",
  init: (options) =>
    startHub(options, SYSTEM_CLOCK, (level, event, fields = {}) => {
      const record = { time: new Date().toISOString(), level, event, ...fields };
      console.error(JSON.stringify(record));
    }),
  calls: {
    address: ({ host, port, key, invite }) => ({ host, port, key, invite }),
  },
  stop: (running) => running.stop(),
});
