// Segment's own Node SDK sends every call it has; what a webhook destination receives must equal
// what was sent, apart from what admission is documented to change (times, write key).
//
//   COLLECTOR=http://127.0.0.1:8080 WRITE_KEY=demo node run.mjs
//
// The server must allow deliveries to 127.0.0.1 (egress: {allow: [127.0.0.1/32]}).
import assert from 'node:assert/strict'
import http from 'node:http'
import { Analytics } from '@segment/analytics-node'

const collector = process.env.COLLECTOR
const writeKey = process.env.WRITE_KEY ?? 'demo'
const deadlineMs = 20_000

// The receiver of the deliveries.
const delivered = new Map() // messageId -> event
const receiver = http.createServer((request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    const event = JSON.parse(Buffer.concat(chunks).toString())
    delivered.set(event.messageId, event)
    response.writeHead(204).end()
  })
})
await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve))

async function createDestination() {
  const answer = await fetch(`${collector}/api/v1/destinations`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      name: 'sdk',
      type: 'webhook',
      url: `http://127.0.0.1:${receiver.address().port}/hook`,
    }),
  })
  assert.equal(answer.status, 201, await answer.text())
}

// What the SDK really put on the wire, as it tells by its own event.
const sent = new Map() // messageId -> { event, envelope }
const failures = []
const analytics = new Analytics({ writeKey, host: collector, flushInterval: 200, maxRetries: 0 })
analytics.on('http_request', ({ body }) => {
  const { batch, ...envelope } = typeof body === 'string' ? JSON.parse(body) : body
  for (const event of batch) sent.set(event.messageId, { event: JSON.parse(JSON.stringify(event)), envelope })
})
analytics.on('error', (error) => failures.push(error))

function sendEveryCall() {
  const userId = 'john@example.com'
  const anonymousId = '11111111-2222-4333-8444-555555555555'
  const context = { ip: '192.0.2.7', campaign: { source: 'newsletter', medium: 'email' }, active: true }
  analytics.identify({ userId, traits: { name: 'J. Döe 😀', plan: 'pro', logins: 5, tags: ['a', 'b'] } })
  analytics.identify({ anonymousId, traits: {} })
  analytics.track({ userId, event: 'Order Completed', properties: { total: 39.95, products: [{ id: 1 }] }, context })
  analytics.track({ userId, event: 'Historical', timestamp: new Date('2020-01-02T03:04:05.678Z') })
  analytics.track({ anonymousId, event: 'With options', integrations: { All: true, Other: { a: 1 } } })
  analytics.track({ userId, event: 'Odd "text" \\ \n\t\u2028 \u0000 é', properties: { 'k"ey': null, big: 1e300 } })
  analytics.page({ userId, category: 'Docs', name: 'Quickstart', properties: { url: 'https://e.com/' } })
  analytics.page({ anonymousId })
  analytics.screen({ userId, name: 'Home', properties: { width: 1 } })
  analytics.group({ userId, groupId: 'acme', traits: { employees: 12 } })
  analytics.alias({ userId, previousId: anonymousId })
  for (let i = 0; i < 100; i++) analytics.track({ userId, event: 'Bulk', properties: { i } })
  return 111
}

function expectSame(wire, arrived) {
  const { event, envelope } = wire
  const expected = { ...event }
  delete expected.writeKey
  const sentAt = event.sentAt ?? envelope.sentAt
  if (sentAt !== undefined) expected.sentAt = sentAt
  expected.originalTimestamp = event.timestamp
  expected.receivedAt = arrived.receivedAt
  const skewMs = Date.parse(sentAt) - Date.parse(event.timestamp)
  expected.timestamp = new Date(Date.parse(arrived.receivedAt) - skewMs).toISOString()
  // The server rounds its own microseconds down once, here they are gone already: 1 ms either way.
  const differenceMs = Math.abs(Date.parse(arrived.timestamp) - Date.parse(expected.timestamp))
  assert.ok(differenceMs <= 1, `timestamp ${arrived.timestamp}, expected ${expected.timestamp}`)
  assert.deepEqual({ ...arrived, timestamp: 0 }, { ...expected, timestamp: 0 })
}

await createDestination()
const calls = sendEveryCall()
await analytics.closeAndFlush({ timeout: deadlineMs })
assert.deepEqual(failures, [])
assert.equal(sent.size, calls, 'the SDK sent every call')

const until = Date.now() + deadlineMs
while (delivered.size < calls && Date.now() < until) await new Promise((r) => setTimeout(r, 20))
assert.equal(delivered.size, calls, 'every event was delivered')
for (const [messageId, wire] of sent) {
  assert.ok(delivered.has(messageId), `${messageId} was not delivered`)
  expectSame(wire, delivered.get(messageId))
}
receiver.close()
console.log(`${calls} events sent by the SDK, ${delivered.size} delivered, all equal`)
process.exit(0)
