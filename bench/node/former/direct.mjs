// A direct message as the former design takes it, one step after the other, and the two lists
// that are read most.
import { createHash } from 'node:crypto'
import mongoose from 'mongoose'
import { Message, Notification, User } from './models.mjs'
import { decrypt } from './text.mjs'

const person = 'username profilePhoto'
const room = (user) => `user_${user}`

// A memory of keys for some time, as both kinds of deduplication use it.
class Recent {
  #seen = new Map()
  #life

  constructor(life, sweep) {
    this.#life = life
    setInterval(() => this.#sweep(), sweep).unref()
  }

  get(key) {
    const found = this.#seen.get(key)
    return found && Date.now() - found.at < this.#life ? found.value : undefined
  }

  set(key, value) {
    this.#seen.set(key, { value, at: Date.now() })
  }

  #sweep() {
    for (const [key, { at }] of this.#seen) if (Date.now() - at >= this.#life) this.#seen.delete(key)
  }
}

const messages = new Recent(60_000, 30_000)
const notices = new Recent(300_000, 60_000)

const hash = (...parts) => createHash('sha256').update(parts.join(':')).digest('hex')
const bucket = (span) => Math.floor(Date.now() / span) * span

export async function send(io, sender, { recipientId, content, attachment, _tempId }, ack) {
  const key = hash(sender, recipientId, content ?? '', bucket(5_000))
  const known = messages.get(key)
  if (known) {
    ack({ success: true, duplicate: true, messageId: known, _tempId })
    return
  }
  const message = new Message({ sender, recipient: recipientId, content, attachment: attachment || null })
  await message.save()
  messages.set(key, message.id)
  await message.populate([{ path: 'sender', select: person }, { path: 'recipient', select: person }])
  io.to(room(recipientId)).emit('message:new', message.toJSON())
  ack({ success: true, messageId: message.id, _tempId })
  io.to(room(sender)).emit('message:sent', { ...message.toJSON(), _tempId })
  await notify(io, sender, recipientId)
}

async function notify(io, sender, recipient) {
  const key = hash(recipient, sender, 'message', '', bucket(60_000))
  if (notices.get(key)) return
  notices.set(key, true)
  const notice = await Notification.create({
    recipient, sender, type: 'message', message: 'You have a new message', link: '/messages', metadata: { senderId: sender },
  })
  await notice.populate('sender', `${person} displayName`)
  io.to(room(recipient)).emit('notification:new', { notification: notice.toJSON() })
}

// The whole thread of two people, as the former design sends it.
export async function thread(me, peer) {
  const found = await Message.find({
    $or: [{ sender: me, recipient: peer }, { sender: peer, recipient: me }],
    'deletedFor.user': { $ne: me },
  })
    .sort({ createdAt: 1 })
    .populate('sender', person)
    .populate('recipient', person)
  return found.map((m) => m.toJSON())
}

// The conversations of a person, out of all of their messages.
export async function list(user) {
  const me = new mongoose.Types.ObjectId(user)
  const unread = { $and: [{ $eq: ['$recipient', me] }, { $eq: ['$read', false] }] }
  const rows = await Message.aggregate([
    { $match: { $or: [{ sender: me }, { recipient: me }], groupChat: null, 'deletedFor.user': { $ne: me } } },
    { $sort: { createdAt: -1 } },
    {
      $group: {
        _id: { $cond: [{ $eq: ['$sender', me] }, '$recipient', '$sender'] },
        lastMessage: { $first: '$$ROOT' },
        unreadCount: { $sum: { $cond: [unread, 1, 0] } },
      },
    },
    { $sort: { 'lastMessage.createdAt': -1 } },
  ]).allowDiskUse(true)
  await User.populate(rows, { path: '_id', model: 'User', select: `${person} displayName` })
  return rows.map(({ _id: other, lastMessage, unreadCount }) => ({
    _id: other?._id,
    lastMessage: { ...lastMessage, content: decrypt(lastMessage.content) },
    unreadCount,
    unread: unreadCount,
    otherUser: other,
  }))
}
