// Two people sign up, connect and talk: `make talk` with a server running, or
// `node talk.mjs http://host:port`.
import { io } from 'socket.io-client'

const server = process.argv[2] ?? 'http://localhost:9000'
const run = Date.now().toString(36)

const ann = await signUp('ann')
const bob = await signUp('bob')
const annSocket = await connect(ann)
const bobSocket = await connect(bob)

const arrived = new Promise((resolve) => bobSocket.once('message:new', resolve))
const ack = await annSocket.timeout(10_000).emitWithAck('send_message', {
  recipientId: bob.user._id,
  content: 'Hello Bob!',
  _tempId: `talk-${run}`,
})
console.log('ann: sent, and stored as', ack.messageId)
const message = await arrived
console.log(`bob: "${message.content}" from ${message.sender.username}`)

const thread = await get(`/api/messages/${ann.user._id}`, bob)
console.log('bob: the conversation has', thread.length, 'message')
annSocket.close()
bobSocket.close()

async function signUp(name) {
  const username = `${name}_${run}`
  const response = await fetch(`${server}/api/auth/signup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      fullName: `${name} Example`,
      username,
      email: `${username}@example.com`,
      password: 'Correct-Horse-7',
      birthday: '1990-01-31',
    }),
  })
  const body = await response.json()
  if (!response.ok) throw new Error(`sign-up: ${body.message}`)
  console.log(`${name}: signed up as ${username}`)
  return body
}

async function connect({ accessToken, user }) {
  const socket = io(server, { transports: ['websocket'], auth: { token: accessToken }, forceNew: true })
  await new Promise((resolve, reject) => {
    socket.once('room:joined', resolve)
    socket.once('connect_error', reject)
  })
  console.log(`${user.username}: connected`)
  return socket
}

async function get(path, { accessToken }) {
  const response = await fetch(server + path, { headers: { Authorization: `Bearer ${accessToken}` } })
  return response.json()
}
