-- What every table of payments holds, how long and where it may lie (docs/schema.md). The law of ledgers keeps payments and their
-- amounts; a key may never mean a second payment, so held ones stay too.

COMMENT ON TABLE ledger.account IS 'retention=forever residency=any contains=personal: accounts and their balances';
COMMENT ON TABLE ledger.payment IS 'retention=forever residency=any contains=personal: who paid whom, how much and when';
COMMENT ON TABLE ledger.entry IS 'retention=forever residency=any contains=personal: both halves of every payment';
COMMENT ON TABLE ledger.profile IS 'retention=400d by=last_at residency=any contains=personal: habits of an account, learnt anew when it rested';
COMMENT ON TABLE ledger.held IS 'retention=forever residency=any contains=personal: payments that a person decided about, and how';
COMMENT ON TABLE outbox.endpoint IS 'retention=forever residency=any contains=none: where a merchant is told, and the name of the secret';
COMMENT ON TABLE outbox.counter IS 'retention=forever residency=any contains=none: how many events an account has had';
COMMENT ON TABLE outbox.event IS 'retention=service residency=any contains=personal: swept by the dispatcher once they are delivered';
COMMENT ON TABLE outbox.delivery IS 'retention=forever residency=any contains=none: how far each merchant was told';
