/**
 * Prints the chosen backends; load_test.ts runs it without permissions.
 *
 * @module
 */
import { loadKernels } from "../../kernels/load.ts";

console.log(JSON.stringify((await loadKernels()).chosen));
