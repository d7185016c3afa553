// A client that shares nothing with the server but its .proto file: grpc-js and proto-loader, as a Node.js service uses them.
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [proto, target, token] = process.argv.slice(2);
const options = { keepCase: true, longs: String, defaults: false };
const prices = grpc.loadPackageDefinition(loader.loadSync(proto, options)).shop.v1.Prices;
const client = new prices(target, grpc.credentials.createInsecure());
const metadata = new grpc.Metadata();
metadata.set("authorization", `Bearer ${token}`);
metadata.set("x-correlation-id", "from-node");

const call = (method, request, more = {}) =>
  new Promise((resolve) =>
    client[method](request, more.metadata ?? metadata, { deadline: Date.now() + (more.within ?? 10000) }, (error, value) =>
      resolve(error ? { code: error.code, details: error.details, rich: error.metadata.get("grpc-status-details-bin").length } : value),
    ),
  );
const streamed = (method, request) =>
  new Promise((resolve, reject) => {
    const values = [];
    const stream = client[method](request, metadata, { deadline: Date.now() + 10000 });
    stream.on("data", (value) => values.push(value)).on("end", () => resolve(values)).on("error", reject);
  });

(async () => {
  const everything = {
    text: "Čtvrtek", whole: "-9223372036854775808", real: 0.1, truth: false, raw: Buffer.from([0, 255]),
    money: "12345678901234567890.10", key: "01932c07-0000-7000-8000-000000000001", day: "2024-02-29", clock: "23:59:59",
    moment: { seconds: "1767605400", nanos: 5000 }, length: { seconds: "-90", nanos: 0 }, size: "large",
    json: { listValue: { values: [{ numberValue: 1 }, { nullValue: 0 }] } }, several: ["1", "2"], unique: ["a"],
    named: { 1: "one" }, facts: { fields: { a: { boolValue: true } } }, nested: [{ amount: "1.50", tags: ["x"] }],
  };
  const answers = {
    quote: await call("Quote", { item: "bed", quantity: 2 }),
    echo: (await call("Echo", { value: everything })),
    who: await call("Who", {}),
    listed: await call("List", {}),
    streamed: await streamed("Watch", { item: "bed", count: 3 }),
    ping: await call("Ping", {}),
    anonymous: await call("Who", {}, { metadata: new grpc.Metadata() }),
    missing: await call("Quote", {}),
    gone: await call("Quote", { item: "gone" }),
    late: await call("Tag", { name: "late", pause: 2 }, { within: 300 }),
  };
  console.log(JSON.stringify(answers, (key, value) => (value && value.type === "Buffer" ? Buffer.from(value.data).toString("hex") : value)));
  client.close();
})();
