// One job a touch, enqueued in bulk and drained by graphile-worker at its best: a local queue, and completion in batches.
// Arguments: connection string, jobs. Prints the seconds of both.
import { Logger, run, runMigrations } from "graphile-worker";
import pg from "pg";

const [connectionString, jobs] = [process.argv[2], Number(process.argv[3])];
const logger = new Logger(() => () => {});

const preset = {
  worker: {
    connectionString,
    concurrentJobs: 64,
    maxPoolSize: 10,
    pollInterval: 100,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
    logger,
  },
};

await runMigrations({ preset });
const client = new pg.Client({ connectionString });
await client.connect();

const enqueued = performance.now();
for (let from = 0; from < jobs; from += 10_000) {
  await client.query(
    `SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
       SELECT json_populate_record(null::graphile_worker.job_spec,
                json_build_object('identifier', 'touch', 'payload', json_build_object('customer', i)))
       FROM generate_series($1::int, $2::int) i))`,
    [from + 1, Math.min(from + 10_000, jobs)],
  );
}
const enqueue = (performance.now() - enqueued) / 1000;
await client.query("VACUUM ANALYZE graphile_worker._private_jobs");

let left = jobs;
let done;
const finished = new Promise((resolve) => (done = resolve));
const drained = performance.now();
const runner = await run({
  preset,
  taskList: {
    touch: () => {
      if (--left === 0) done();
    },
  },
});
await finished;
const drain = (performance.now() - drained) / 1000;
await runner.stop();
await client.end();
console.log(JSON.stringify({ enqueue, drain }));
process.exit(0);
