/**
 * Routes as OpenAPI has them, made from the table in actors/portal/api.ts.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { API, type Api, type Route } from "../actors/portal/api.ts";
import { problem } from "../actors/portal/api_fields.ts";

const problemOf = (description: string) => ({
  description,
  content: { "application/problem+json": { schema: problem } },
});

/** The answers that any route may give besides its own. */
export const PROBLEMS = {
  400: problemOf("malformed"),
  401: problemOf("no token, or no proof, or a wrong one"),
  403: problemOf("not allowed, or closed by policy"),
  404: problemOf("not there, or not for this client"),
  408: problemOf("too slow"),
  409: problemOf("changed meanwhile, or there already"),
  410: problemOf("over for good"),
  413: problemOf("too large, or over the quota"),
  422: problemOf("the bytes are not what they claim to be"),
  429: problemOf("too often"),
  503: problemOf("the store is not there"),
  507: problemOf("the disk is full"),
} as const;

/** Needs a token and a proof. */
export const SECURITY = [{ portal: [] }];

interface RouteOptions<Params extends z.ZodObject, Query extends z.ZodObject> {
  summary: string;
  isPublic?: boolean;
  params?: Params;
  query?: Query;
}

const NONE = z.object({});

/** A route of the table. */
export function routeOf<
  R extends Route,
  Params extends z.ZodObject = typeof NONE,
  Query extends z.ZodObject = typeof NONE,
>(name: R, { summary, isPublic, params, query }: RouteOptions<Params, Query>) {
  const [method, path] = name.split(" ") as [string, string];
  const { answer, body } = API[name] as Api[R] & { body?: z.ZodType };
  return createRoute({
    method: method.toLowerCase() as "get" | "post" | "put" | "delete",
    path,
    summary,
    ...(isPublic === true ? {} : { security: SECURITY }),
    request: {
      params: (params ?? NONE) as Params,
      query: (query ?? NONE) as Query,
      ...(body === undefined
        ? {}
        : { body: { required: true, content: { "application/json": { schema: body } } } }),
    } as {
      params: Params;
      query: Query;
      body: { required: true; content: { "application/json": { schema: BodySchema<R> } } };
    },
    responses: {
      200: {
        description: "done",
        content: { "application/json": { schema: answer as Api[R]["answer"] } },
      },
      ...PROBLEMS,
    },
  });
}

type BodySchema<R extends Route> = Api[R] extends { body: infer S extends z.ZodType } ? S
  : typeof NONE;
