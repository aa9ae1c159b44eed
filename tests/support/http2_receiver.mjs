// A webhook receiver that speaks HTTP/2 over TLS, and HTTP/1.1 to nobody.
//
//   node http2_receiver.mjs CERTIFICATE KEY
//
// Reads one JSON object a line from standard input, writes one a line to standard output:
//   {"port": 1}                        first of all
//   {"session": 1}                     a connection was opened
//   {"session": 1, "stream": 1, ...}   a request: method, path, headers, body, how many streams of
//                                      the session are open
//   {"closed": 1}                      a connection ended
// What it answers depends on the path, see `answers`. {"goaway": true} on standard input tells every
// session to go away: what runs is answered, what comes later belongs on a new session.
import fs from 'node:fs'
import http2 from 'node:http2'
import readline from 'node:readline'

const [certificate, key] = process.argv.slice(2)
const say = (what) => process.stdout.write(JSON.stringify(what) + '\n')
const server = http2.createSecureServer({
  cert: fs.readFileSync(certificate),
  key: fs.readFileSync(key),
  allowHTTP1: false,
  // Megabytes: more than several floods at once, or Node refuses streams (ENHANCE_YOUR_CALM).
  maxSessionMemory: 100,
})

const sessions = new Map() // session -> {number, open}
const tries = new Map() // messageId -> how often it was seen

const answers = {
  '/ok': (respond) => respond(204),
  // Long enough for others to come beside it.
  '/slow': (respond) => setTimeout(() => respond(204), 200),
  '/second': (respond, body) => {
    const id = JSON.parse(body).messageId
    tries.set(id, (tries.get(id) ?? 0) + 1)
    respond(tries.get(id) === 1 ? 500 : 204)
  },
  // A refused stream was not looked at: it may be sent again at once.
  '/reset': (respond, body, stream) => {
    const id = JSON.parse(body).messageId
    tries.set(id, (tries.get(id) ?? 0) + 1)
    if (tries.get(id) === 1) stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
    else respond(204)
  },
  '/flood': (respond) => respond(400, 'x'.repeat(8 << 20)),
}

server.on('session', (session) => {
  const number = sessions.size + 1
  sessions.set(session, { number, open: 0 })
  say({ session: number })
  session.on('close', () => say({ closed: number }))
  session.on('error', () => {})
})

server.on('stream', (stream, headers) => {
  const state = sessions.get(stream.session)
  state.open += 1
  const chunks = []
  stream.on('error', () => {})
  stream.on('close', () => (state.open -= 1))
  stream.on('data', (chunk) => chunks.push(chunk))
  stream.on('end', () => {
    if (stream.aborted) return // the client was killed in the middle of it
    const body = Buffer.concat(chunks).toString()
    const { ':method': method, ':path': path, ...rest } = headers
    say({ session: state.number, stream: stream.id, open: state.open, method, path, headers: rest, body })
    const respond = (status, text = '') => {
      if (stream.destroyed) return
      stream.respond({ ':status': status })
      stream.end(text)
    }
    answers[path](respond, body, stream)
  })
})

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  if (JSON.parse(line).goaway) for (const session of sessions.keys()) session.close()
})
process.stdin.on('end', () => process.exit(0))
server.listen(0, '127.0.0.1', () => say({ port: server.address().port }))
