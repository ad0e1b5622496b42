// The former design's way of a direct message, for comparison: Socket.IO for Node and Mongoose, a
// query for each step. Who a client is it says itself, by the id of a person as its token; rules,
// limits and sanitizing are left out. The server prints its address and ends with standard input.
import { createServer } from 'node:http'
import { env, memoryUsage, cpuUsage, stdin } from 'node:process'
import mongoose from 'mongoose'
import { Server } from 'socket.io'
import { list, send, thread } from './direct.mjs'
import { Message, Notification, User } from './models.mjs'

const http = createServer(async (request, response) => {
  try {
    const me = (request.headers.authorization ?? '').replace(/^Bearer /, '')
    const body = await answer(request.url, me)
    response.writeHead(body === undefined ? 404 : 200, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify(body))
  } catch (error) {
    console.error(error)
    response.writeHead(500).end()
  }
})

async function answer(url, me) {
  if (url === '/stats') {
    const { user, system } = cpuUsage()
    return { rss_kb: Math.round(memoryUsage.rss() / 1024), cpu_us: user + system }
  }
  if (url === '/api/messages/list') return list(me)
  const peer = /^\/api\/messages\/([0-9a-f]{24})$/.exec(url)?.[1]
  return peer && thread(me, peer)
}

const io = new Server(http, { perMessageDeflate: false, httpCompression: false, serveClient: false })

io.use((socket, next) => {
  socket.userId = socket.handshake.auth.token
  next(mongoose.isValidObjectId(socket.userId) ? undefined : new Error('Authentication error'))
})

io.on('connection', (socket) => {
  socket.join(`user_${socket.userId}`)
  socket.on('send_message', async (data, ack) => {
    try {
      await send(io, socket.userId, data, ack)
    } catch (error) {
      console.error(error)
      ack({ error: 'Error sending message', code: 'SEND_MESSAGE_ERROR', timestamp: Date.now() })
    }
  })
})

await mongoose.connect(env.MONGODB_URI)
await Promise.all([User.init(), Message.init(), Notification.init()])
http.listen(0, '127.0.0.1', () => console.log(`127.0.0.1:${http.address().port}`))
stdin.resume()
stdin.on('end', () => process.exit(0))
