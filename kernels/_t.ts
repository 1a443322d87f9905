import { examineKernels, describeKernels } from "./examine.ts";
const t=performance.now(); const r=await examineKernels({environment:{XDG_CACHE_HOME:"/tmp/k/cache"}}); console.log(describeKernels(r), r.cacheFile, performance.now()-t);
