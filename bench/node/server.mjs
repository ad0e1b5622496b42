// The peer on the reference: Socket.IO for Node with its default engine (ws), compression off.
// It prints its address and ends with standard input, like the peers in Go.
import { createServer } from 'node:http'
import { memoryUsage, cpuUsage, stdin } from 'node:process'
import { Server } from 'socket.io'

const token = 'let-me-in'

const http = createServer((request, response) => {
  if (request.method !== 'GET' || request.url !== '/stats') {
    response.writeHead(404).end()
    return
  }
  const { user, system } = cpuUsage()
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify({ rss_kb: Math.round(memoryUsage.rss() / 1024), cpu_us: user + system }))
})

const io = new Server(http, { perMessageDeflate: false, httpCompression: false, serveClient: false })

io.use((socket, next) => {
  next(socket.handshake.auth.token === token ? undefined : new Error('unauthorized'))
})

io.on('connection', (socket) => {
  socket.on('echo', (...args) => {
    const ack = args.pop()
    if (typeof ack === 'function') ack(...args)
  })
  socket.on('join', (room, ack) => {
    socket.join(room)
    if (typeof ack === 'function') ack()
  })
  socket.on('bcast', (room, ...args) => {
    const ack = typeof args.at(-1) === 'function' ? args.pop() : undefined
    io.to(room).emit('msg', ...args)
    if (ack) ack()
  })
})

http.listen(0, '127.0.0.1', () => console.log(`127.0.0.1:${http.address().port}`))
stdin.resume()
stdin.on('end', () => process.exit(0))
