/**
 * In which order the items of a conversation stand.
 *
 * Each item follows the one that its `previous_item_id` names (OpenAI Realtime API reference, conversation.item.added);
 * an item put after another stands directly after it, before whatever was put there earlier. An item whose predecessor
 * is not known stands at the end until it is. This module must not know what items are.
 * The twin is genmb_voice_widget/fold/order.py.
 */

/**
 * A forest of items under their predecessors, and its cached reading from first to last.
 *
 * Placing costs the same however many items there are; only an insertion in the middle makes the next reading walk over
 * all of them.
 */
export class Order {
  private readonly before = new Map<string, string | null>();
  /** Items without a known predecessor. */
  private readonly heads = new Set<string>();
  /** By predecessor, known or not; the latest stands first. */
  private readonly followers = new Map<string, string[]>();
  private cached: string[] = [];
  private stale = false;

  /**
   * Make the item known, and put it after `previous` unless it already follows one; a predecessor that would put the
   * item after itself is ignored. Answers whether anything has changed.
   */
  place(item: string, previous: string | null): boolean {
    const added = !this.before.has(item);
    if (added) this.add(item);
    if (previous === null || this.previous(item) !== null || this.leadsTo(item, previous)) return added;
    this.before.set(item, previous);
    this.follow(previous, item);
    this.heads.delete(item);
    if (this.before.has(previous)) {
      this.stale ||= this.cached.at(-1) !== item || this.cached.at(-2) !== previous;
    } else {
      this.heads.add(item);
      this.stale ||= this.cached.at(-1) !== item;
    }
    return true;
  }

  /** The id that the item was said to follow, whether that one is known or not. */
  previous(item: string): string | null {
    return this.before.get(item) ?? null;
  }

  /** The ids from first to last. */
  sequence(): readonly string[] {
    if (this.stale) {
      this.cached = this.walk();
      this.stale = false;
    }
    return this.cached;
  }

  /**
   * Build the order again from its sequence of [item, previous]; throws an Error when an id stands twice or the sequence
   * is not the one that the predecessors give.
   */
  static restore(places: ReadonlyArray<readonly [string, string | null]>): Order {
    const order = new Order();
    for (const [item, previous] of places) order.before.set(item, previous);
    const isHead = (previous: string | null) => previous === null || !order.before.has(previous);
    for (const [item, previous] of places) if (isHead(previous)) order.heads.add(item);
    // Those that wait for the same predecessor arrived in this order.
    for (const item of order.heads) order.follow(order.previous(item), item);
    // Of those that follow the same item, the latest stands first.
    for (const [item, previous] of places.toReversed()) if (!isHead(previous)) order.follow(previous, item);
    order.stale = true;
    const sequence = order.sequence();
    if (sequence.length !== places.length || places.some(([item], index) => item !== sequence[index])) {
      throw new Error("the items are not in the order of their predecessors");
    }
    return order;
  }

  private add(item: string): void {
    this.before.set(item, null);
    this.heads.add(item);
    this.cached.push(item);
    for (const waiting of this.followers.get(item) ?? []) {
      this.heads.delete(waiting);
      this.stale = true;
    }
  }

  private follow(previous: string | null, item: string): void {
    if (previous === null) return;
    const followers = this.followers.get(previous);
    if (followers) followers.push(item);
    else this.followers.set(previous, [item]);
  }

  private leadsTo(item: string, other: string): boolean {
    if (!this.followers.has(item)) return item === other;
    let at: string | null = other;
    while (at !== null && at !== item) at = this.previous(at);
    return at === item;
  }

  private walk(): string[] {
    const found: string[] = [];
    const ahead = [...this.heads].reverse();
    for (let item = ahead.pop(); item !== undefined; item = ahead.pop()) {
      found.push(item);
      for (const follower of this.followers.get(item) ?? []) ahead.push(follower);
    }
    return found;
  }
}
