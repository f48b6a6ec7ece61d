import { createSocket } from "node:dgram";

/** A server of names that knows one answer to every question: addresses, or silence, or a failure. */
export interface Dns {
  readonly port: number;
  /** IPv4 addresses of every name, an error by its number (RFC 1035, RCODE), or no answer at all. */
  answer: readonly string[] | number | "silence";
  close: () => Promise<void>;
}

const typeA = 1;

export async function startDns(addresses: readonly string[]): Promise<Dns> {
  const socket = createSocket("udp4");
  const dns: Dns = {
    port: 0,
    answer: addresses,
    close: () =>
      new Promise((resolve) => {
        socket.close(resolve);
      }),
  };
  socket.on("message", (question, sender) => {
    if (dns.answer === "silence") return;
    socket.send(reply(question, dns.answer), sender.port, sender.address);
  });
  await new Promise<void>((resolve) => {
    socket.bind(0, "127.0.0.1", resolve);
  });
  return Object.assign(dns, { port: socket.address().port });
}

/** The question's id and name again, and the addresses where it asks for such. Source: RFC 1035, section 4. */
function reply(question: Buffer, answer: readonly string[] | number): Buffer {
  const end = question.indexOf(0, 12) + 5;
  const asked = question.subarray(12, end);
  const addresses = typeof answer === "number" || question.readUInt16BE(end - 4) !== typeA ? [] : answer;
  const head = Buffer.alloc(12);
  question.copy(head, 0, 0, 2);
  // An answer, recursion asked for and available.
  head.writeUInt16BE(0x8180 | (typeof answer === "number" ? answer : 0), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((address) =>
    // The name at offset 12, A, IN, 5 s, four bytes.
    Buffer.from([0xc0, 12, 0, typeA, 0, 1, 0, 0, 0, 5, 0, 4, ...address.split(".").map(Number)]),
  );
  return Buffer.concat([head, asked, ...records]);
}
