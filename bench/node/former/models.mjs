// The collections of the former design that a direct message touches, with their indexes.
import mongoose from 'mongoose'
import { decrypt, encrypt, encrypted } from './text.mjs'

const { Schema } = mongoose
const { ObjectId } = Schema.Types

const user = new Schema({
  username: { type: String, unique: true },
  email: { type: String, unique: true },
  displayName: String,
  profilePhoto: { type: String, default: '' },
  createdAt: { type: Date, default: Date.now },
})

const message = new Schema({
  sender: { type: ObjectId, ref: 'User', required: true },
  recipient: { type: ObjectId, ref: 'User' },
  groupChat: { type: ObjectId, default: null },
  content: { type: String, default: '' },
  attachment: { type: String, default: null },
  read: { type: Boolean, default: false },
  readBy: [{ user: ObjectId, readAt: Date }],
  deliveredTo: [{ user: ObjectId, deliveredAt: Date }],
  edited: { type: Boolean, default: false },
  editedAt: Date,
  reactions: [{ user: ObjectId, emoji: String, createdAt: Date }],
  isDeletedForAll: { type: Boolean, default: false },
  deletedForAll: { by: ObjectId, at: Date },
  deletedFor: [{ user: ObjectId, deletedAt: Date }],
  createdAt: { type: Date, default: Date.now },
})
for (const keys of [
  { sender: 1, recipient: 1, createdAt: -1 },
  { groupChat: 1, createdAt: -1 },
  { sender: 1, createdAt: -1 },
  { recipient: 1, createdAt: -1 },
  { 'deletedFor.user': 1 },
  { isDeletedForAll: 1 },
  { recipient: 1, read: 1, createdAt: -1 },
  { sender: 1, recipient: 1, read: 1 },
  { groupChat: 1, isDeletedForAll: 1, createdAt: -1 },
]) {
  message.index(keys)
}
message.pre('save', function () {
  if (this.isModified('content') && !encrypted(this.content)) this.content = encrypt(this.content)
})
message.set('toJSON', {
  flattenObjectIds: true,
  transform(_, plain) {
    if (plain.content) plain.content = decrypt(plain.content)
    return plain
  },
})

const notification = new Schema(
  {
    recipient: { type: ObjectId, ref: 'User', required: true },
    sender: { type: ObjectId, ref: 'User', required: true },
    type: { type: String, required: true },
    message: { type: String, required: true },
    read: { type: Boolean, default: false },
    link: String,
    metadata: { type: Schema.Types.Mixed, default: {} },
    actorIds: [ObjectId],
  },
  { timestamps: true, toJSON: { flattenObjectIds: true } },
)
for (const keys of [
  { recipient: 1 },
  { recipient: 1, createdAt: -1 },
  { recipient: 1, read: 1 },
  { createdAt: -1 },
  { recipient: 1, type: 1, createdAt: -1 },
]) {
  notification.index(keys)
}

export const User = mongoose.model('User', user)
export const Message = mongoose.model('Message', message)
export const Notification = mongoose.model('Notification', notification)
