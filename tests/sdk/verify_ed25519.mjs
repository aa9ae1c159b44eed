// Reads [{key, headers, body}] from standard input and prints [true|false]: whether the crypto module
// of Node accepts one of the "v1a" signatures of each. `key` is the destination's public key, whpk_….
import crypto from 'node:crypto'

let input = ''
for await (const chunk of process.stdin) input += chunk
// RFC 8410: what stands before the 32 bytes of an ed25519 public key.
const spki = Buffer.from('302a300506032b6570032100', 'hex')
const accepts = ({ key, headers, body }) => {
  const bytes = Buffer.from(key.replace(/^whpk_/, ''), 'base64')
  const verifier = crypto.createPublicKey({ key: Buffer.concat([spki, bytes]), format: 'der', type: 'spki' })
  const signed = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`)
  return headers['webhook-signature'].split(' ').filter(one => one.startsWith('v1a,'))
    .some(one => crypto.verify(null, signed, verifier, Buffer.from(one.slice(4), 'base64')))
}
console.log(JSON.stringify(JSON.parse(input).map(accepts)))
