// From ackproof's configuration to the options of KafkaJS.

import { Refused, nearest } from './subject.mjs'

// KafkaJS's own names, with the defaults of this version, which it does not tell itself;
// the calls that take them; and Java's names of those that are equal. `null` is not set.
const CLIENT = {
  clientId: ['kafkajs', 'client.id'],
  connectionTimeout: [1000, 'socket.connection.setup.timeout.ms'],
  requestTimeout: [30000, 'request.timeout.ms'],
}
const COMMON = { metadataMaxAge: [300000, 'metadata.max.age.ms'] }
const PRODUCER = {
  allowAutoTopicCreation: [true],
  idempotent: [false, 'enable.idempotence'],
  maxInFlightRequests: [null, 'max.in.flight.requests.per.connection', 1],
  transactionalId: [null, 'transactional.id', ''],
  transactionTimeout: [60000, 'transaction.timeout.ms'],
}
const RETRY = { retries: [5, 'retries'], initialRetryTime: [300], maxRetryTime: [30000] }
const SEND = { acks: [-1, 'acks'], timeout: [30000], compression: ['none', 'compression.type'] }
const CONSUMER = {
  allowAutoTopicCreation: [true, 'allow.auto.create.topics'],
  groupId: ['', 'group.id'],
  sessionTimeout: [30000, 'session.timeout.ms'],
  rebalanceTimeout: [60000],
  heartbeatInterval: [3000, 'heartbeat.interval.ms'],
  maxBytesPerPartition: [1048576, 'max.partition.fetch.bytes'],
  minBytes: [1, 'fetch.min.bytes'],
  maxBytes: [10485760, 'fetch.max.bytes'],
  maxWaitTimeInMs: [5000, 'fetch.max.wait.ms'],
  readUncommitted: [false, 'isolation.level'],
  maxInFlightRequests: [null, 'max.in.flight.requests.per.connection', 1],
  rackId: ['', 'client.rack'],
}
const SUBSCRIBE = { fromBeginning: [false, 'auto.offset.reset'] }
const RUN = {
  autoCommit: [true, 'enable.auto.commit'],
  autoCommitInterval: [null, 'auto.commit.interval.ms', 1],
}
export const PRODUCING = { client: CLIENT, common: COMMON, kind: PRODUCER, retry: RETRY, call: SEND }
export const CONSUMING = {
  client: CLIENT, common: COMMON, kind: CONSUMER, retry: RETRY, subscribe: SUBSCRIBE, call: RUN,
}
const NEAREST = {
  'retry.backoff.ms': 'initialRetryTime', 'delivery.timeout.ms': 'retries',
  'max.poll.interval.ms': 'rebalanceTimeout', 'linger.ms': 'the messages of one send()',
  'batch.size': 'the messages of one send()',
  'partition.assignment.strategy': 'partitionAssigners, which takes functions',
}
const WORDS = {
  acks: { all: -1 },
  readUncommitted: { read_uncommitted: true, read_committed: false },
  fromBeginning: { earliest: true, latest: false },
}

// What each call is given, and what is in force, or Refused.
export function configure(config, kinds) {
  const given = Object.fromEntries(Object.keys(kinds).map(kind => [kind, {}]))
  const inForce = {}
  for (const known of Object.values(kinds))
    for (const [name, [initial]] of Object.entries(known))
      if (initial !== null) inForce[name] = String(initial)
  if (config['transactional.id']) {
    // KafkaJS takes the one only with the others: each application has to set them.
    config = { idempotent: 'true', maxInFlightRequests: '1', ...config }
  }
  const set = []
  for (const [key, value] of Object.entries(config)) {
    if (key === 'bootstrap.servers') continue
    let found = false
    for (const [kind, known] of Object.entries(kinds)) {
      for (const [name, [initial, java, like]] of Object.entries(known)) {
        if (key !== name && key !== java) continue
        given[kind][name] = convert(key, name, value, initial ?? like)
        inForce[name] = String(given[kind][name])
        set.push(name)
        found = true
      }
    }
    if (!found) {
      const names = Object.values(kinds).flatMap(known => Object.keys(known))
      const near = NEAREST[key] ? `; the nearest is \`${NEAREST[key]}\`` : nearest(key, names)
      throw new Refused(key, `KafkaJS has no \`${key}\`${near}`)
    }
  }
  if (set.includes('requestTimeout') && given.call && kinds === PRODUCING) {
    // In Java both how long the client waits for an answer and how long the broker waits
    // for its replicas; KafkaJS has an option for each.
    given.call.timeout ??= given.client.requestTimeout
    inForce.timeout = String(given.call.timeout)
  }
  return { given, inForce, set }
}

function convert(key, name, value, like) {
  const word = WORDS[name]?.[value]
  if (word !== undefined) return word
  if (typeof like === 'boolean' && ['true', 'false'].includes(value)) return value === 'true'
  if (typeof like === 'number' && /^-?\d+$/.test(value)) return Number(value)
  if (name === 'compression' && ['none', 'gzip'].includes(value)) return value
  if (typeof like === 'string' && name !== 'compression') return value
  throw new Refused(key, `KafkaJS cannot have ${value} as \`${name}\``)
}
