"""What keeps a number from being sealed or opened, split by who must act.

Wrap                       one cloud's key service did not do it
├── WrapUnavailable        it could not be asked: another cloud may be
├── WrapRefused            it answered and will not: disabled, destroyed
│   └── WrapDenied         it does not know or not trust this process: nobody looked at the wrap
└── WrapBroken             ciphertext or context does not match: this wrap is not of this key
    ├── WrapForeign        it names a key that is not in the settings: nobody was asked
    └── WrapDiffers        it opened something, and that is not the data key: a person must look
NothingHappened
└── KeysOutOfReach         too few clouds answered in time: try again
KeyLost                    every cloud that holds a wrap answered, and none opens it: a person must act
SealBroken                 a row was changed, or moved to another token: a person must act

No message holds a number, a key or a ciphertext.
"""

from workload.durable.errors import NothingHappened


class Wrap(Exception):
    """Base: one cloud did not wrap or unwrap. The message says which and what was seen."""


class WrapUnavailable(Wrap):
    """The cloud could not be asked within the deadline, or answered that it cannot at present."""


class WrapRefused(Wrap):
    """The cloud refuses: its key is disabled or destroyed, or see `WrapDenied`. Asking again changes nothing."""


class WrapBroken(Wrap):
    """The cloud cannot open this ciphertext in this context, or what it opened is not the key."""


class WrapDenied(WrapRefused):
    """Credentials or permissions are missing. Whether the wrap opens was not seen."""


class WrapForeign(WrapBroken):
    """The wrap says that another key made it than the one in the settings. It was sent nowhere: whether it opens was not seen."""


class WrapDiffers(WrapBroken):
    """The cloud opened it, and what came out is not this data key. The service lies, or a row was changed: the wrap, or the check that the
    key is compared with."""


class KeysOutOfReach(NothingHappened):
    """Fewer clouds than needed answered within the deadline. No number was sealed, none was given out."""


class KeyLost(Exception):
    """No wrap of this data key can be opened, and every cloud was asked."""


class SealBroken(Exception):
    """The ciphertext does not belong to this token, kind, subject and data key, or was changed."""
