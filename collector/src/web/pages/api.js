// The collector's API: asking, and saying what went wrong in a sentence.

import { objects } from "./buckets.js";

const TIMEOUT_MS = 20000;
const ROOT = "/api/v1";

/** What the collector said instead of an answer, or that it said nothing (`status` 0). */
export class ApiError extends Error {
  constructor(status, message, parameter) {
    super(message);
    this.status = status;
    this.parameter = parameter;
  }
}

function address(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return `${ROOT}/${path}${text ? `?${text}` : ""}`;
}

async function ask(path, parameters = {}, { signal, method = "GET", body } = {}) {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  let response;
  try {
    response = await fetch(address(path, parameters), {
      method,
      headers: body
        ? { "content-type": "application/json", accept: "application/json" }
        : { accept: "application/json" },
      body: body ? JSON.stringify(body) : undefined,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      credentials: "same-origin",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    if (limit.aborted) throw new ApiError(0, `the answer to ${path} takes longer than ${TIMEOUT_MS / 1000} s`);
    throw new ApiError(0, "the collector does not answer; see whether it runs and can be reached");
  }
  if (response.status === 204) return null;
  let answer = null;
  try {
    answer = await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    if (limit.aborted) throw new ApiError(0, `the answer to ${path} takes longer than ${TIMEOUT_MS / 1000} s`);
  }
  if (!response.ok) {
    const told = answer?.error;
    throw new ApiError(
      response.status,
      told?.message ?? `the collector answered ${response.status} to ${path}`,
      told?.parameter,
    );
  }
  if (answer === null)
    throw new ApiError(
      response.status,
      `the answer to ${path} is not JSON; something between here and the collector changed it`,
    );
  return answer;
}

/** Questions of one turn, by its signal: what several panels ask is asked once. */
const turns = new WeakMap();

/** A documented query; rows as objects beside what the API says of them. */
export async function query(name, parameters, options = {}) {
  const once = turns.get(options.signal) ?? new Map();
  if (options.signal) turns.set(options.signal, once);
  const key = address(`queries/${name}`, parameters);
  if (!once.has(key))
    once.set(
      key,
      ask(`queries/${name}`, parameters, options).then((answer) => ({ ...answer, objects: objects(answer) })),
    );
  return once.get(key);
}

/** The same as a file. */
export const csv = (name, parameters) => address(`queries/${name}`, { ...parameters, format: "csv" });

/** A report that is computed and not SQL: a list of documents. */
export async function report(name, parameters, options) {
  const answer = await ask(name, parameters, options);
  if (Array.isArray(answer)) return answer;
  const list = Object.values(answer).find(Array.isArray);
  if (!list) throw new ApiError(200, `the report ${name} is not as this page knows it; reload the page`);
  return list;
}

export const overview = (options) => ask("overview", {}, options);
export const session = (options) => ask("session", {}, options);
export const signIn = (token) => ask("session", {}, { method: "POST", body: { token } });
export const signOut = () => ask("session", {}, { method: "DELETE" });
