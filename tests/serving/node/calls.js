// Calls the gateway as any Node program would, by its .proto file; prints what came as one JSON text.
//
// node calls.js TARGET PROTO VIDEO TOKEN

import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const CHUNK_BYTES = 256 * 1024;
const [target, protoPath, videoPath, token] = process.argv.slice(2);
const definition = protoLoader.loadSync(protoPath, { keepCase: true, longs: String, enums: String, oneofs: true });
const { DetectionService } = grpc.loadPackageDefinition(definition).deepfake.v1;
const client = new DetectionService(target, grpc.credentials.createInsecure());
const video = readFileSync(videoPath);

function metadata(value = token) {
  const made = new grpc.Metadata();
  made.set("authorization", `Bearer ${value}`);
  return made;
}

function deadline(seconds = 60) {
  return { deadline: Date.now() + 1000 * seconds };
}

function upload(call, options) {
  call.write({ options });
  for (let at = 0; at < video.length; at += CHUNK_BYTES) call.write({ chunk: video.subarray(at, at + CHUNK_BYTES) });
  call.end();
}

function all(call) {
  return new Promise((resolve, reject) => {
    const messages = [];
    call.on("data", (message) => messages.push(message));
    call.on("end", () => resolve(messages));
    call.on("error", reject);
  });
}

function one(method, message) {
  return new Promise((resolve, reject) => {
    client[method](message, metadata(), deadline(), (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

function analyze(options, ...how) {
  const call = client.analyze(...how);
  call.on("error", () => {}); // A call that was refused cannot be written to either.
  const answers = all(call);
  upload(call, options);
  return answers;
}

function submit(options) {
  return new Promise((resolve, reject) => {
    upload(client.submitJob(metadata(), deadline(), (error, job) => (error ? reject(error) : resolve(job))), options);
  });
}

function live() {
  const call = client.analyzeLive(metadata(), deadline());
  const answers = all(call);
  call.write({ options: { request_id: "node-live" } });
  call.write({ segment: video });
  call.end();
  return answers;
}

async function failure(promise) {
  const error = await promise.then(() => null, (reason) => reason);
  return error && { code: grpc.status[error.code], message: error.details };
}

const options = { name: "from node.mp4", size_bytes: String(video.length), request_id: "node-1" };
const events = await analyze(options, metadata(), deadline());
const submitted = await submit({ video: options, idempotency_key: "node-key", time_to_live: { seconds: "60" } });
const again = await submit({ video: options, idempotency_key: "node-key", time_to_live: { seconds: "60" } });
const changes = await all(client.waitJob({ job_id: submitted.job_id }, metadata(), deadline()));
const job = await one("getJob", { job_id: submitted.job_id });
const result = {
  kinds: events.map((event) => event.event),
  received: events[0].received,
  verdict: events.at(-1).verdict,
  isSameJob: submitted.job_id === again.job_id,
  states: changes.map((change) => change.state),
  job,
  live: (await live()).at(-1),
  tooLong: await failure(analyze({ ...options, size_bytes: "1" }, metadata(), deadline())),
  unknown: await failure(one("getJob", { job_id: "nobody's" })),
  wrongToken: await failure(analyze(options, metadata("wrong"), deadline())),
  late: await failure(analyze(options, metadata(), deadline(-1))),
};
// The loader notes which optional fields are there under names that begin with _.
console.log(JSON.stringify(result, (key, value) => (key.startsWith("_") ? undefined : value)));
client.close();
