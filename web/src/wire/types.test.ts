import type { Socket } from 'socket.io-client'
import { expectTypeOf, test } from 'vitest'
import { fromClient, fromServer } from './examples.gen'
import type { Answered, ClientToServer, Conversation, Failure, Message, Reply, RoomJoined, Routes, Sent, ServerToClient } from './wire.gen'

type Wire = Socket<ServerToClient, ClientToServer>

// The compiler checks these functions; nothing calls them.
export function accepted(socket: Wire) {
  socket.on('message:new', (message, offset) => {
    expectTypeOf(message).toEqualTypeOf<Message>()
    expectTypeOf(offset).toEqualTypeOf<string | undefined>()
  })
  socket.on('room:joined', (...args) => {
    expectTypeOf(args).toEqualTypeOf<[payload: RoomJoined]>()
  })
  socket.emit('send_message', fromClient.send_message, (reply) => {
    expectTypeOf(reply).toEqualTypeOf<Reply<Sent>>()
  })
  socket.emit('join', '68a4f0c29b1d3e5f7a6b8c01')
  expectTypeOf(socket.emitWithAck('send_message', {})).resolves.toEqualTypeOf<Reply<Sent>>()
  // emitWithAck after timeout is typed as any by the client library; the callback is not.
  socket.timeout(1000).emit('send_message', {}, (error, reply) => {
    expectTypeOf(error).toEqualTypeOf<Error>()
    expectTypeOf(reply).toEqualTypeOf<Reply<Sent>>()
  })
}

export function refused(socket: Wire) {
  // @ts-expect-error the server sends no such event
  socket.on('message:knew', () => {})
  // @ts-expect-error clients do not send this event
  socket.emit('message:new', fromServer['message:new'])
  // @ts-expect-error a message has no such field
  socket.on('message:new', (message) => message.text)
  // @ts-expect-error a message to send has no such field
  socket.emit('send_message', { recipient: '68a4f1379b1d3e5f7a6b8c02' }, () => {})
  // @ts-expect-error text is no number
  socket.emit('send_message', { content: 5 }, () => {})
  // @ts-expect-error the acknowledgement is missing
  socket.emit('send_message', fromClient.send_message)
  // @ts-expect-error nothing acknowledges this event
  socket.emit('join', fromClient.join, () => {})
}

test('an example with a wrong, a missing or an undefined field is no message', () => {
  const { content, ...rest } = fromServer['message:new']
  const right = { ...rest, content } satisfies Message
  expectTypeOf(right).toExtend<Message>()
  // @ts-expect-error the field has another name
  const wrong: Message = { ...rest, text: content }
  // @ts-expect-error the field is missing
  const missing: Message = rest
  // @ts-expect-error an optional field is absent, never undefined
  const undef: Message = { ...right, _tempId: undefined }
  void [wrong, missing, undef]
})

test('replies and answers tell success from failure', () => {
  expectTypeOf<Exclude<Reply<Sent>, Sent>>().toEqualTypeOf<Failure>()
  expectTypeOf<Routes['POST /api/messages']['answer']>().toEqualTypeOf<Answered<Message>>()
  expectTypeOf<Routes['POST /api/messages']['answer']['requestId']>().toEqualTypeOf<string>()
  expectTypeOf<Routes['GET /api/messages/conversations']['answer']>().toEqualTypeOf<Conversation[]>()
})
