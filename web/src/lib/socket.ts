import { io, type Socket } from 'socket.io-client'

import type { ClientToServer, NewMessage, Reply, Sent, ServerToClient } from '../wire/wire.gen'
import { serverUrl } from './http'
import type { Session } from './session'
import { Store } from './store'

export type AppSocket = Socket<ServerToClient, ClientToServer>

const ackTimeoutMs = 10_000
const againMs = 1_000

/** connecting lasts as long as it takes; a displaced socket stays away until somebody calls it back. */
export type LinkState = 'connecting' | 'live' | 'displaced'

/** The connection of a session. */
export interface Link {
  socket: AppSocket
  state: Store<LinkState>
  /** Ends the connection for good. */
  close(): void
}

/** Opens a connection that shows a fresh token at every attempt. */
export function openLink(session: Session): Link {
  const state = new Store<LinkState>('connecting')
  let closed = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const socket: AppSocket = io(serverUrl || window.location.origin, {
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    auth: (show) => {
      session.token().then(
        // After close the token may be that of somebody else.
        (token) => closed || show({ token }),
        () => closed || socket.io.engine.close(), // the next attempt asks again
      )
    },
    reconnectionDelay: 500,
    reconnectionDelayMax: 5_000,
  })
  // The server closed or refused the socket. That is for its token, or the session is over:
  // then the renewal ends it.
  const again = () => {
    const connect = () => {
      if (closed) return
      clearTimeout(timer)
      timer = setTimeout(() => session.state.get().state === 'in' && state.get() === 'connecting' && socket.connect(), againMs)
    }
    session.renew().then(connect, connect)
  }
  socket.on('connect', () => state.set('live'))
  socket.on('connect_error', () => socket.active || again())
  socket.on('connection_limit', () => state.set('displaced'))
  socket.on('force_logout', ({ reason, final }) => session.end(final ? undefined : reason))
  socket.on('disconnect', (reason) => {
    if (closed || state.get() === 'displaced') return
    state.set('connecting')
    if (reason === 'io server disconnect') again()
  })
  const close = () => {
    closed = true
    clearTimeout(timer)
    socket.close()
  }
  return { socket, state, close }
}

/** Sends a message and returns what the server says. Throws where the connection is lost or no answer comes. */
export function deliver(socket: AppSocket, message: NewMessage): Promise<Reply<Sent>> {
  return socket.timeout(ackTimeoutMs).emitWithAck('send_message', message)
}
