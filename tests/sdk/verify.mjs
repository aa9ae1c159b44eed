// Reads [{secret, headers, body}] from standard input and prints [true|false]: whether the reference
// library of Standard Webhooks accepts each.
import { Webhook } from 'standardwebhooks'

let input = ''
for await (const chunk of process.stdin) input += chunk
const accepts = ({ secret, headers, body }) => {
  try {
    new Webhook(secret).verify(body, headers)
    return true
  } catch {
    return false
  }
}
console.log(JSON.stringify(JSON.parse(input).map(accepts)))
