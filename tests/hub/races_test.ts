/** Many at once, on one hub with SQLite. */
import { VirtualClock, withHub } from "../support/hub.ts";
import { testRaces } from "./races_suite.ts";

testRaces(
  "sqlite",
  (body) => withHub({ clock: new VirtualClock() }, (at) => body([at, at])),
);
