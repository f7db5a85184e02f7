-- What every table of the vault holds, how long and where it may lie (docs/schema.md). A number that nobody can open any more is kept
-- with its token, which must never mean another one; who looked at a number is kept for more than a year.

COMMENT ON TABLE vault.data_key IS 'retention=forever residency=any contains=secret: whose key it is, and how to tell it from a wrong one';
COMMENT ON TABLE vault.wrap IS 'retention=forever residency=any contains=secret: data keys, wrapped; gone with an erasure';
COMMENT ON TABLE vault.token IS 'retention=forever residency=any contains=cardholder: sealed numbers';
COMMENT ON TABLE vault.access IS 'retention=400d by=at residency=any contains=personal: who brought or saw which number, and why';
COMMENT ON TABLE vault.erasure IS 'retention=forever residency=any contains=personal: proofs that a key was destroyed';
