// Calls every public RPC of the gateway with the stock gRPC client of Node.js: no generated code, only the .proto files.
//
//   npm install
//   DANCU_TARGET=127.0.0.1:50051 DANCU_API_KEY=dck_… node every_rpc.js NUMBER [PROTO_FOLDER]
//
// Prints one JSON line per call: {"rpc", "answer"} or {"rpc", "refused": {"code", "reason", "metadata"}}. A refusal with a
// reason is an answer of the gateway; the exit code is 1 only where a call failed without one, or has no example here.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');
const protobuf = require('protobufjs');

const [number, protoFolder = path.join(__dirname, '..', '..', '..', 'proto')] = process.argv.slice(2);
const key = process.env.DANCU_API_KEY;
const target = process.env.DANCU_TARGET || '127.0.0.1:50051';
if (!number || !key) {
  console.error('usage: DANCU_API_KEY=… node every_rpc.js NUMBER [PROTO_FOLDER]');
  process.exit(2);
}

const PUBLIC = ['CitizenService', 'RegistryService', 'ReceiptService', 'AccountRequestService'];
const purpose = { procedureCode: '1.004222', dossierCode: 'H01-2026-1' };
const byNumber = { personalNumber: number, purpose };

// What each RPC is asked. `told` holds what earlier answers said, such as the receipt of a lookup.
const REQUESTS = {
  LookupCitizen: () => ({ ...byNumber, readMask: { paths: ['full_name', 'birth_date'] } }),
  VerifyCitizen: (told) => ({ ...byNumber, claims: { fullName: told.fullName } }),
  LookupHousehold: () => byNumber,
  BulkLookupCitizens: () => ({ items: [{ personalNumber: number }], purpose }),
  LookupSocialInsurance: () => byNumber,
  LookupCivilStatus: () => ({ ...byNumber, readMask: { paths: ['birth.registered_at', 'marriages.status'] } }),
  LookupDrivingLicences: () => byNumber,
  LookupEnterprises: () => byNumber,
  LookupDigitalIdentity: () => byNumber,
  GetInclusionProof: (told) => ({ receipt: told.receipt }),
  GetCheckpoint: (told) => ({ origin: told.receipt.split(':')[0] }),
  // Without a name, so that it is refused: an example leaves no request for an operator to decide.
  RequestAccount: () => ({ justification: 'example' }),
  GetAccountRequest: () => ({ id: 'node-example' }),
  ListAccountRequests: () => ({}),
};

// google.rpc.Status and ErrorInfo, which travel in `grpc-status-details-bin` with every refusal.
const rich = protobuf.parse(`
  syntax = "proto3"; package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
`).root;

function refusalOf(error) {
  const [details] = error.metadata ? error.metadata.get('grpc-status-details-bin') : [];
  if (!details) return null;
  const status = rich.lookupType('google.rpc.Status').decode(details);
  const info = status.details.find((detail) => detail.typeUrl.endsWith('/google.rpc.ErrorInfo'));
  const { reason, metadata } = rich.lookupType('google.rpc.ErrorInfo').decode(info.value);
  return { code: grpc.status[error.code], reason, metadata };
}

function protoFiles(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) return protoFiles(full);
    return entry.name.endsWith('_service.proto') ? [full] : [];
  });
}

function publicServices() {
  const definition = protoLoader.loadSync(protoFiles(path.join(protoFolder, 'dancu')), {
    includeDirs: [protoFolder], longs: String, enums: String, defaults: false, oneofs: true,
  });
  return Object.entries(grpc.loadPackageDefinition(definition).dancu).flatMap(([, versions]) =>
    Object.entries(versions.v1 || {}).filter(([name, value]) => PUBLIC.includes(name) && value.service));
}

function call(client, method, request) {
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${key}`);
  return new Promise((resolve) => {
    let trailing = new grpc.Metadata();
    const call = client[method.originalName](request, metadata, { deadline: Date.now() + 10_000 },
      (error, answer) => setImmediate(() => resolve({ error, answer, trailing })));
    call.on('status', (status) => { trailing = status.metadata; });
  });
}

async function main() {
  const told = { receipt: '', fullName: '' };
  let failed = false;
  // Citizens first: a receipt is needed before it can be proved.
  const services = publicServices().sort(([a], [b]) => PUBLIC.indexOf(a) - PUBLIC.indexOf(b));
  for (const [, Service] of services) {
    const client = new Service(target, grpc.credentials.createInsecure());
    for (const [name, method] of Object.entries(Service.service)) {
      const rpc = method.path.slice(1);
      if (!REQUESTS[name]) {
        console.error(`${rpc} has no example request`);
        failed = true;
        continue;
      }
      const { error, answer, trailing } = await call(client, method, REQUESTS[name](told));
      const refused = error && refusalOf(error);
      if (error && !refused) {
        console.error(`${rpc}: ${error.message}`);
        failed = true;
        continue;
      }
      if (name === 'LookupCitizen' && answer) {
        told.fullName = answer.citizen.fullName;
        told.receipt = trailing.get('dancu-receipt')[0];
      }
      console.log(JSON.stringify(refused ? { rpc, refused } : { rpc, answer }));
    }
    client.close();
  }
  return failed ? 1 : 0;
}

main().then((code) => { process.exitCode = code; });
