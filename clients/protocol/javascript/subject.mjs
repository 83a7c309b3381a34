// The subject protocol for JavaScript: lines in, lines out. A subject derives from
// Subject and calls its client; see docs/reference/subject-protocol.md. Knows nothing
// of any client.

export class Refused extends Error {
  constructor(key, reason) {
    super(reason)
    this.key = key
  }
}

// One method for each request, by its name in camelCase; what it throws is told as the
// client's error. `start` returns the fields of `ready`, `poll` the records. `send` is
// told many records at once, those that have come, and tells their outcomes.
export class Subject {
  #requests = []
  #events = []
  #wake = () => {}
  #written = Promise.resolve()

  // The fields of an error: the client's own words, and what follows from it.
  error(error) {
    return { name: error.name, message: error.message, class: 'other' }
  }

  // Queues an event; fields without a value are left out by JSON.
  tell(event, fields) {
    // All events of one turn are one write: a write for each would be the limit.
    if (this.#events.push({ event, ...fields }) === 1) setImmediate(() => this.#write())
  }

  #write() {
    const lines = this.#events.map(it => JSON.stringify(it) + '\n').join('')
    this.#events = []
    this.#written = new Promise(resolve => process.stdout.write(lines, resolve))
  }

  async #next() {
    while (this.#requests.length === 0) await new Promise(resolve => (this.#wake = resolve))
    return this.#requests.shift()
  }

  // Serves requests, until one of this name: it is taken, not served.
  async serve(until) {
    for (;;) {
      const request = await this.#next()
      if (request.op === until) return
      await this.#handle(request)
    }
  }

  async #handle(request) {
    const { op } = request
    if (op === 'send') {
      const records = [request]
      while (this.#requests[0]?.op === 'send') records.push(this.#requests.shift())
      return this.send(records)
    }
    const name = op.replace(/-(.)/g, (_, letter) => letter.toUpperCase())
    try {
      if (!OPS.includes(op)) throw new Error(`this subject has no \`${op}\``)
      const records = await this[name](request)
      if (op === 'poll') this.tell('polled', { records })
      else this.tell('done', { op })
    } catch (thrown) {
      const { cause, ...error } = this.error(thrown)
      if (op !== 'poll') this.tell('done', { op, error })
      else if (['fatal', 'fenced'].includes(error.class)) this.tell('polled', { records: [], error })
      else {
        this.tell('error', { error, cause })
        this.tell('polled', { records: [] })
      }
    }
  }

  async run() {
    // ackproof ends a subject by `close`, or kills it: Ctrl-C in the terminal is not for it.
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {})
    this.#read()
    try {
      this.tell('ready', { protocol: 1, ...(await this.start(await this.#next())) })
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      this.tell('refused', { key: error.key, reason: error.message })
      return this.#end(2)
    }
    await this.serve('close')
    await this.#handle({ op: 'close' })
    await this.#end(0)
  }

  async #end(code) {
    await new Promise(resolve => setImmediate(resolve)) // after the last events are written
    await this.#written
    process.exit(code)
  }

  #read() {
    let rest = []
    let closing = false
    process.stdin.on('data', chunk => {
      for (let end; (end = chunk.indexOf(10)) >= 0; chunk = chunk.subarray(end + 1)) {
        const request = JSON.parse(Buffer.concat([...rest, chunk.subarray(0, end)]))
        rest = []
        closing ||= request.op === 'close'
        this.#requests.push(request)
      }
      rest.push(chunk)
      this.#wake()
    })
    process.stdin.on('end', () => {
      if (!closing) process.exit(1) // ackproof is gone
      this.#requests.push({ op: 'continue' }) // nothing else can come
      this.#wake()
    })
  }
}

const OPS = `poll flush commit seek init-transactions begin-transaction send-offsets
commit-transaction abort-transaction close`.split(/\s+/)

export const decode = text => (text == null ? null : Buffer.from(text, 'base64'))
export const encode = bytes => (bytes == null ? undefined : bytes.toString('base64'))

// Words on what the client has in place of a key that it lacks.
export function nearest(key, names) {
  const shared = name =>
    key.toLowerCase().split('.').map(word => word.slice(0, 8))
      .filter(stem => name.toLowerCase().includes(stem)).join('').length
  const best = [...names].sort((a, b) => shared(b) - shared(a))[0]
  return shared(best) > 5 ? `; the nearest is \`${best}\`` : ''
}
