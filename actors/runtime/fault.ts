/**
 * Fault injection for tests: `WARP_FAULT="<actor>:<op>:<n>:<kill|throw|hang>"` makes the first
 * generation of an actor vanish, throw, or loop for ever when it is about to handle op for the nth
 * time. Several faults are separated by commas.
 *
 * @module
 */
import type { Control } from "./actor_host.ts";

/** True from the returned function: the message must not be handled. */
export function faultFor(
  actor: string,
  generation: number,
): ((op: string, control: Control) => boolean) | undefined {
  const setting = Deno.env.get("WARP_FAULT");
  if (setting === undefined || setting === "" || generation > 0) return undefined;
  const faults = setting.split(",").map((text) => text.split(":"))
    .filter(([name]) => name === actor)
    .map(([, op, nth, how]) => ({ op, left: Number(nth), how }));
  if (faults.length === 0) return undefined;
  return (op, control) => {
    for (const fault of faults) {
      if (fault.op !== op || --fault.left !== 0) continue;
      if (fault.how === "kill") control.vanish();
      else if (fault.how === "throw") control.blowUp(new Error(`fault injected into ${actor}`));
      else for (;;);
      return true;
    }
    return false;
  };
}
