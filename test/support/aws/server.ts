import * as grpc from "@grpc/grpc-js";
import any_pb from "google-protobuf/google/protobuf/any_pb.js";
import empty_pb from "google-protobuf/google/protobuf/empty_pb.js";
import struct_pb from "google-protobuf/google/protobuf/struct_pb.js";
import plugin_pb from "@pulumi/pulumi/proto/plugin_pb.js";
import provider_grpc_pb from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import provider_pb from "@pulumi/pulumi/proto/provider_pb.js";
import status_pb from "@pulumi/pulumi/proto/status_pb.js";
import { HalfMade, type SimulatedProvider } from "./provider.ts";
import type { ShapeProblem } from "./shapes.ts";
import { defined, hasUnknown, isRecord, unknownValue, type Properties } from "./values.ts";

/**
 * The engine's protocol. Not that of `@pulumi/pulumi/provider`, which previews nothing and keeps the provider's config to
 * itself: as the real provider, this one says what a preview may know, and refuses another account than its own.
 */
export async function serve(provider: SimulatedProvider, version: string): Promise<number> {
  const server = new grpc.Server({ "grpc.max_receive_message_length": 400 * 1024 ** 2 });
  server.addService(provider_grpc_pb.ResourceProviderService, handlers(provider, version));
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

function handlers(provider: SimulatedProvider, version: string): grpc.UntypedServiceImplementation {
  return {
    getPluginInfo: unary((_request: empty_pb.Empty) => {
      const info = new plugin_pb.PluginInfo();
      info.setVersion(version);
      return info;
    }),
    getSchema: unary((_request: provider_pb.GetSchemaRequest) => {
      const schema = new provider_pb.GetSchemaResponse();
      schema.setSchema("{}");
      return schema;
    }),
    attach: unary((_request: plugin_pb.PluginAttach) => new empty_pb.Empty()),
    cancel: unary((_request: empty_pb.Empty) => new empty_pb.Empty()),

    checkConfig: unary((request: provider_pb.CheckRequest) => {
      const inputs = plain(request.getNews());
      return checked(inputs, provider.checkConfig(opened(inputs)));
    }),
    diffConfig: unary((request: provider_pb.DiffRequest) => {
      const [olds, news] = [plain(request.getOldInputs()), plain(request.getNews())];
      const keys = [...new Set([...Object.keys(olds), ...Object.keys(news)])];
      const changed = keys.filter((key) => olds[key] !== news[key] && key !== "version");
      // Source: pulumi-aws, provider/resources.go: `region` has ForcesProviderReplace.
      return difference(
        changed,
        changed.filter((key) => key === "region"),
        false,
      );
    }),
    configure: unary((request: provider_pb.ConfigureRequest) => {
      const given = opened(plain(request.getArgs()));
      if (!hasUnknown(given)) provider.configure(given);
      const response = new provider_pb.ConfigureResponse();
      response.setSupportspreview(true);
      return response;
    }),

    check: unary((request: provider_pb.CheckRequest) => {
      const { type, name } = named(request.getUrn());
      const [olds, news] = [plain(request.getOlds()), plain(request.getNews())];
      const { inputs, failures } = provider.check(type, name, olds, news, request.getRandomseed_asB64());
      return checked(inputs, failures);
    }),
    diff: unary((request: provider_pb.DiffRequest) => {
      const { type } = named(request.getUrn());
      const oldInputs = plain(request.getOldInputs());
      const news = plain(request.getNews());
      const { changed, replaces, deleteBeforeReplace } = provider.diff(
        ...([type, plain(request.getOlds()), oldInputs, news] as const),
      );
      return difference(changed, replaces, deleteBeforeReplace);
    }),
    create: unary(async (request: provider_pb.CreateRequest) => {
      const { type, name } = named(request.getUrn());
      const inputs = plain(request.getProperties());
      const response = new provider_pb.CreateResponse();
      if (request.getPreview()) {
        response.setProperties(struct(provider.planCreate(type, inputs)));
        return response;
      }
      const { id, outputs } = await provider.create(type, name, inputs);
      response.setId(id);
      response.setProperties(struct(outputs));
      return response;
    }),
    read: unary((request: provider_pb.ReadRequest) => {
      const { type } = named(request.getUrn());
      const found = provider.read(type, request.getId());
      const response = new provider_pb.ReadResponse();
      if (found === undefined) return response;
      response.setId(request.getId());
      response.setProperties(struct(found));
      response.setInputs(request.getInputs());
      return response;
    }),
    update: unary(async (request: provider_pb.UpdateRequest) => {
      const { type, name } = named(request.getUrn());
      const [olds, news] = [plain(request.getOlds()), plain(request.getNews())];
      const oldInputs = plain(request.getOldInputs());
      const outputs = request.getPreview()
        ? provider.planUpdate(type, olds, oldInputs, news)
        : await provider.update(type, name, request.getId(), oldInputs, news);
      const response = new provider_pb.UpdateResponse();
      response.setProperties(struct(outputs));
      return response;
    }),
    delete: unary(async (request: provider_pb.DeleteRequest) => {
      const { type, name } = named(request.getUrn());
      await provider.delete(type, name, request.getId());
      return new empty_pb.Empty();
    }),
    invoke: unary((request: provider_pb.InvokeRequest) => {
      const response = new provider_pb.InvokeResponse();
      response.setReturn(struct(provider.invoke(request.getTok(), plain(request.getArgs()))));
      return response;
    }),
  };
}

type Answer<T> = T | Promise<T>;

function unary<Request, Response>(
  answer: (request: Request) => Answer<Response>,
): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => {
    Promise.resolve()
      .then(() => answer(call.request))
      .then(
        (response) => {
          callback(null, response);
        },
        (error: unknown) => {
          callback(failure(error));
        },
      );
  };
}

function failure(error: unknown): Partial<grpc.StatusObject> {
  const details = error instanceof Error ? error.message : String(error);
  if (!(error instanceof HalfMade)) return { code: grpc.status.UNKNOWN, details };
  // Source: @pulumi/pulumi, provider/server.ts, grpcResponseFromError.
  const half = new provider_pb.ErrorResourceInitFailed();
  half.setId(error.id);
  half.setProperties(struct(error.outputs));
  half.setReasonsList([error.message]);
  const packed = new any_pb.Any();
  packed.pack(half.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const status = new status_pb.Status();
  status.setCode(grpc.status.UNKNOWN);
  status.setMessage(details);
  status.addDetails(packed);
  const metadata = new grpc.Metadata();
  metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
  return { code: grpc.status.UNKNOWN, details, metadata };
}

/** `urn:pulumi:stack::project::parent$type::name` */
function named(urn: string): { readonly type: string; readonly name: string } {
  const [, , types = "", ...name] = urn.split("::");
  return { type: types.split("$").pop() ?? "", name: name.join("::") };
}

function plain(message: struct_pb.Struct | undefined): Properties {
  return message?.toJavaScript() ?? {};
}

function struct(properties: Properties): struct_pb.Struct {
  return struct_pb.Struct.fromJavaScript(withoutUndefined(properties));
}

function withoutUndefined(properties: Properties): Record<string, struct_pb.JavaScriptValue> {
  const plainValue: unknown = JSON.parse(JSON.stringify(defined(properties)));
  return isRecord(plainValue) && isWire(plainValue) ? plainValue : {};
}

/** What JSON can say, the wire can. */
function isWire(value: Properties): value is Record<string, struct_pb.JavaScriptValue> {
  return Object.values(value).every((item) => item !== undefined);
}

/** A provider's config has everything but texts as JSON in a text. */
function opened(config: Properties): Properties {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      typeof value === "string" && value !== unknownValue && /^([[{"]|true$|false$|\d+$)/.test(value)
        ? parsed(value)
        : value,
    ]),
  );
}

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) || Array.isArray(value) || typeof value === "boolean" ? value : text;
  } catch {
    return text;
  }
}

function checked(inputs: Properties, failures: readonly ShapeProblem[]): provider_pb.CheckResponse {
  const response = new provider_pb.CheckResponse();
  response.setInputs(struct(inputs));
  response.setFailuresList(
    failures.map(({ property, reason }) => {
      const failed = new provider_pb.CheckFailure();
      failed.setProperty(property);
      failed.setReason(reason);
      return failed;
    }),
  );
  return response;
}

function difference(
  changed: readonly string[],
  replaces: readonly string[],
  deleteBeforeReplace: boolean,
): provider_pb.DiffResponse {
  const { DIFF_SOME, DIFF_NONE } = provider_pb.DiffResponse.DiffChanges;
  const response = new provider_pb.DiffResponse();
  response.setChanges(changed.length > 0 || replaces.length > 0 ? DIFF_SOME : DIFF_NONE);
  response.setDiffsList([...changed]);
  response.setReplacesList([...new Set(replaces)]);
  response.setDeletebeforereplace(deleteBeforeReplace);
  return response;
}
