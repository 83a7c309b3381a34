// KafkaJS as a subject of ackproof.

import { createRequire } from 'node:module'
import kafkajs from 'kafkajs'
import { CONSUMING, PRODUCING, configure } from './config.mjs'
import { Subject, decode, encode } from './subject.mjs'

const { CompressionTypes, Kafka, Partitioners } = kafkajs
const { version } = createRequire(import.meta.url)('kafkajs/package.json')

const STALE = ['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION']
const REFUSED = ['REBALANCE_IN_PROGRESS', 'GROUP_AUTHORIZATION_FAILED']
const FENCED = ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'FENCED_INSTANCE_ID']

class KafkaJS extends Subject {
  async start({ check, producer, consumer }) {
    const ready = { client: 'kafkajs', version, config: {}, set: [], cannot: CANNOT }
    for (const [wanted, kinds] of [[consumer, CONSUMING], [producer, PRODUCING]]) {
      if (!wanted) continue
      const { given, inForce, set } = configure(wanted.config, kinds)
      const prefix = wanted === producer && consumer ? 'producer.' : ''
      for (const [name, value] of Object.entries(inForce)) ready.config[prefix + name] = value
      ready.set.push(...set.map(name => prefix + name))
      const brokers = wanted.config['bootstrap.servers'].split(',')
      // Its log would go to standard output.
      const logCreator = () => ({ log, label }) => console.error(label, log.message, log.error ?? '')
      const kafka = new Kafka({ ...given.client, brokers, logCreator })
      const options = { ...given.common, ...given.kind, retry: given.retry }
      if (Object.keys(given.retry).length === 0) delete options.retry
      if (wanted === producer) {
        this.producer = kafka.producer({ ...options, createPartitioner })
        this.call = { ...given.call, compression: COMPRESSION[given.call.compression ?? 'none'] }
        this.transactional = given.kind.transactionalId !== undefined
        if (!check && !this.transactional) await this.producer.connect()
      } else {
        this.consumer = kafka.consumer(options)
        this.groupId = given.kind.groupId
        if (!check) await this.consume(consumer.topics, given)
      }
    }
    return ready
  }

  error(error) {
    const type = error.type ?? error.cause?.type ?? error.originalError?.type
    const kind =
      error instanceof PartitionsLost ? 'stale'
      : FENCED.includes(type) ? 'fenced'
      : STALE.includes(type) ? 'stale'
      : REFUSED.includes(type) ? 'refused'
      : error.retriable ? 'retriable'
      : 'other'
    const cause =
      type?.endsWith('_AUTHORIZATION_FAILED') ? 'not-allowed'
      : error.name === 'KafkaJSNotImplemented' ? 'unable'
      : undefined
    return { name: type ?? error.name, message: error.message, class: kind, cause }
  }

  // Producing

  #waiting = []
  #sending = null

  send(records) {
    for (const it of records) {
      // KafkaJS throws a TypeError for the whole call, which may have other records.
      const lacking = it.headers?.find(header => header.value == null)
      if (!lacking) this.#waiting.push(it)
      else {
        const error = new TypeError(`${CANNOT['header-without-value']}: ${lacking.key}`)
        this.tell('failed', { id: it.id, error: this.error(error) })
      }
    }
    this.#sending ??= this.#sendWaiting().finally(() => (this.#sending = null))
  }

  // One call after the other, each with all that waits: KafkaJS batches nothing itself, and
  // keeps no order between calls that are not awaited.
  async #sendWaiting() {
    while (this.#waiting.length > 0) {
      let size = 0
      const topics = new Map()
      while (this.#waiting.length > 0 && size < LARGE) {
        const it = this.#waiting.shift()
        const { id, partition, topic } = it
        const message = { id, partition, key: decode(it.key), value: decode(it.value), headers: headers(it.headers) }
        size += message.value?.length ?? 0
        if (!topics.has(topic)) topics.set(topic, [])
        topics.get(topic).push(message)
      }
      const topicMessages = [...topics].map(([topic, messages]) => ({ topic, messages }))
      try {
        const to = this.transaction ?? this.producer
        this.acknowledge(topicMessages, await to.sendBatch({ ...this.call, topicMessages }))
      } catch (error) {
        // Some of them may be in a request that was answered: KafkaJS does not say.
        for (const { id } of topicMessages.flatMap(it => it.messages))
          this.tell('unknown', { id, error: this.error(error) })
      }
    }
  }

  // KafkaJS tells the first offset of each partition; the messages are in their order.
  acknowledge(topicMessages, results) {
    const next = new Map()
    for (const it of results)
      if (it.baseOffset != null) next.set(`${it.topicName} ${it.partition}`, Number(it.baseOffset))
    for (const { topic, messages } of topicMessages)
      for (const { id, chosen: partition } of messages) {
        const offset = next.get(`${topic} ${partition}`)
        this.tell('acknowledged', { id, partition, offset })
        if (offset !== undefined) next.set(`${topic} ${partition}`, offset + 1)
      }
  }

  async flush() {
    await this.#sending
  }

  // Consuming: KafkaJS calls eachBatch, and a batch is over when the polls have taken it all.

  #owned = []
  #rebalances = [] // since the last poll, which tells of them
  #batch = null
  #arrived = () => {}

  async consume(topics, { subscribe, call }) {
    const { GROUP_JOIN, REBALANCING, CRASH } = this.consumer.events
    // It tells of a rebalance when it is on its way: there is no time to commit.
    this.consumer.on(REBALANCING, () => this.#lose())
    this.consumer.on(GROUP_JOIN, ({ payload: { memberAssignment } }) => {
      this.#lose()
      this.#owned = Object.entries(memberAssignment).flatMap(([topic, partitions]) =>
        partitions.map(partition => ({ topic, partition })),
      )
      if (this.#owned.length > 0) this.#rebalances.push(['assigned', this.#owned])
    })
    this.consumer.on(CRASH, ({ payload: { error, restart } }) => {
      if (!restart) this.crashed = error
      else this.tell('error', { error: this.error(error) })
    })
    if (call.autoCommit !== false) {
      this.consumer.on(this.consumer.events.COMMIT_OFFSETS, ({ payload }) => {
        const offsets = payload.topics.flatMap(({ topic, partitions }) =>
          partitions.map(it => ({ topic, partition: Number(it.partition), offset: Number(it.offset) })),
        )
        this.tell('committed', { offsets })
      })
    }
    await this.consumer.connect()
    await this.consumer.subscribe({ topics, ...subscribe })
    const eachBatch = batch => {
      return new Promise((resolve, reject) => {
        this.#batch = { ...batch, at: 0, resolve, reject }
        this.#arrived()
      })
    }
    // Nothing is resolved that was not handed out. It joins the group while others are served.
    this.consumer.run({ ...call, eachBatch, eachBatchAutoResolve: false }).catch(error => {
      this.crashed = error
    })
  }

  #lose() {
    if (this.#owned.length > 0) this.#rebalances.push(['lost', this.#owned])
    this.#owned = []
    this.#batch?.resolve() // what is left of it is not this member's any more
    this.#batch = null
  }

  #tellRebalances() {
    for (const [event, partitions] of this.#rebalances) this.tell(event, { partitions })
    this.#rebalances = []
  }

  async poll({ max, wait_ms }) {
    if (this.#batch?.at > 0 || this.#batch?.isStale()) await this.#proceed()
    if (!this.#batch) {
      let timer
      await new Promise(resolve => {
        this.#arrived = resolve
        timer = setTimeout(resolve, wait_ms)
      })
      clearTimeout(timer)
    }
    this.#tellRebalances()
    if (this.crashed) throw this.crashed
    const batch = this.#batch
    if (!batch || batch.isStale()) return []
    const { topic, partition, messages } = batch.batch
    const taken = messages.slice(batch.at, batch.at + max)
    batch.at += taken.length
    return taken.map(it => ({
      topic, partition, offset: Number(it.offset), key: encode(it.key), value: encode(it.value),
      headers: received(it.headers),
    }))
  }

  // What the last poll gave counts as done with at the next one, as in the Java client.
  async #proceed() {
    const batch = this.#batch
    const { messages } = batch.batch
    const over = batch.at === messages.length || batch.isStale()
    if (over) this.#batch = null
    try {
      if (!batch.isStale()) {
        batch.resolveOffset(messages[batch.at - 1].offset)
        await batch.commitOffsetsIfNecessary()
      }
      await batch.heartbeat()
      if (over) batch.resolve()
    } catch (error) {
      this.#batch = null
      batch.reject(error) // KafkaJS deals with it: it joins again
    }
  }

  // KafkaJS commits with the generation that the member has by now, whichever partitions it had.
  #mustOwn(offsets) {
    for (const [event, lost] of this.#rebalances)
      for (const { topic, partition } of offsets)
        if (event === 'lost' && lost.some(it => it.topic === topic && it.partition === partition))
          throw new PartitionsLost(`${topic} ${partition} was lost in a rebalance`)
  }

  commit({ offsets }) {
    this.#mustOwn(offsets)
    return this.consumer.commitOffsets(offsets.map(it => ({ ...it, offset: String(it.offset) })))
  }

  seek({ topic, partition, offset }) {
    this.consumer.seek({ topic, partition, offset: String(offset) })
  }

  // Transactions

  #prepared = null

  // KafkaJS begins to use the id with each transaction: the first one is made here, so that
  // an older producer of this id is fenced from now on.
  async initTransactions() {
    await this.producer.connect()
    this.#prepared = await this.producer.transaction()
  }

  async beginTransaction() {
    this.transaction = this.#prepared ?? (await this.producer.transaction())
    this.#prepared = null
  }

  // Without the group's metadata: KafkaJS does not know KIP-447.
  sendOffsets({ offsets }) {
    this.#mustOwn(offsets)
    const topics = offsets.map(({ topic, partition, offset }) => {
      return { topic, partitions: [{ partition, offset: String(offset) }] }
    })
    return this.transaction.sendOffsets({ consumerGroupId: this.groupId, topics })
  }

  async commitTransaction() {
    await this.flush()
    await this.transaction.commit()
    this.transaction = null
  }

  async abortTransaction() {
    await this.flush()
    await this.transaction.abort()
    this.transaction = null
  }

  async close() {
    await this.flush()
    this.#tellRebalances()
    if (this.consumer && this.#owned.length > 0) {
      // KafkaJS has no callback for it; what an application commits here is in time.
      this.tell('revoked', { partitions: this.#owned })
      await this.serve('continue')
    }
    this.#batch?.resolve()
    await this.consumer?.disconnect()
    await this.producer?.disconnect()
  }
}

class PartitionsLost extends Error {
  name = 'PartitionsLost'
}

const CANNOT = {
  'header-without-value': 'KafkaJS has no header without a value',
  revoked: 'KafkaJS tells of a rebalance when it is on its way',
}
const LARGE = 500_000 // bytes of values: a broker takes batches of a megabyte
const COMPRESSION = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP }

// KafkaJS's own partitioner, which does not tell what it chose: the offset needs it.
function createPartitioner() {
  const own = Partitioners.DefaultPartitioner()
  return call => (call.message.chosen = own(call))
}

// KafkaJS has the values of one name together.
function headers(them) {
  const values = {}
  for (const it of them ?? []) (values[it.key] ??= []).push(decode(it.value))
  return values
}

function received(them) {
  const pairs = Object.entries(them ?? {}).flatMap(([key, values]) =>
    [values].flat().map(value => ({ key, value: encode(value) })),
  )
  return pairs.length > 0 ? pairs : undefined
}

await new KafkaJS().run()
