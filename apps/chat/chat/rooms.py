"""Who is where, and what was said lately. In the memory of one process, and bounded in every direction."""

import hashlib
import secrets
import time
from collections import deque

from . import model
from .outbox import Outbox

ROOM_COUNT_LIMIT = 200
PEOPLE_LIMIT = 100  # in one room
HISTORY_LIMIT = 200  # messages of one room
HISTORY_SIZE_LIMIT = 64 * 1024  # characters of them


class Full(Exception):
    """There is no room, or no room in it; str() says which, in words for the person who asked."""


class Member:
    """A person in a room. id: public, the same whenever this tab comes to this room."""

    def __init__(self, identity, name):
        self.id, self.name = identity, name
        self.outbox = Outbox()

    @property
    def public(self):
        """What others see."""
        return {"id": self.id, "name": self.name}


class Room:
    """One room. name: as model.room_of() makes it."""

    def __init__(self, name):
        self.name = name
        self.members = {}  # id -> Member
        self.history = deque()  # of messages, the oldest first
        self._size = 0  # characters of their texts
        self._keys = {}  # (id of a person, key) -> message, of those in the history
        self._said = 0

    @property
    def people(self):
        """The members as others see them, in the order of their arrival."""
        return [member.public for member in self.members.values()]

    def join(self, tab, name):
        """Let somebody in, in place of the same tab where it is still there. Raises Full."""
        identity = hashlib.sha256(f"{self.name}\0{tab}".encode()).hexdigest()[:16]
        before = self.members.get(identity)
        if before is None and len(self.members) >= PEOPLE_LIMIT:
            raise Full(f"There are {PEOPLE_LIMIT} people in this room already.")
        member = Member(identity, self._free_name(name, identity))
        self.members[identity] = member
        if before is not None:
            before.outbox.end(model.ELSEWHERE, "came back on another connection")
        if before is None:
            self._tell_of("joined", member, but=member)
        elif before.name != member.name:
            self._tell_of("renamed", member, but=member)
        return member

    def leave(self, member):
        """Somebody has gone, unless another connection has taken the place."""
        if self.members.get(member.id) is member:
            del self.members[member.id]
            self._tell_of("left", member)

    def rename(self, member, name):
        """Give a member another name."""
        if self.members.get(member.id) is member and name != member.name:
            member.name = self._free_name(name, member.id)
            self._tell_of("renamed", member)

    def say(self, member, key, text):
        """Tell everybody. What this person has said under this key already is only acknowledged."""
        before = self._keys.get((member.id, key))
        if before is not None:
            member.outbox.put(model.words("message", **before))
            return
        self._said += 1
        message = {
            "id": self._said,
            "time": int(time.time() * 1000),
            "from": member.id,
            "name": member.name,
            "text": text,
            "key": key,
        }
        self._remember(message)
        self._tell(model.words("message", **message))

    def since(self, number):
        """Return the messages after that number, and whether older ones are forgotten in between."""
        messages = [message for message in self.history if message["id"] > number]
        return messages, self._said - number > len(messages)

    def _remember(self, message):
        self.history.append(message)
        self._keys[message["from"], message["key"]] = message
        self._size += len(message["text"])
        while len(self.history) > HISTORY_LIMIT or self._size > HISTORY_SIZE_LIMIT:
            oldest = self.history.popleft()
            del self._keys[oldest["from"], oldest["key"]]
            self._size -= len(oldest["text"])

    def _free_name(self, name, identity):
        """Return the name, with a number behind it where somebody else here has it."""
        taken = {m.name.casefold() for m in self.members.values() if m.id != identity}
        number, free = 1, name
        while free.casefold() in taken:
            number += 1
            free = f"{name[: model.NAME_LIMIT - 4]} {number}"
        return free

    def _tell_of(self, kind, member, but=None):
        self._tell(model.words(kind, **member.public, people=self.people), but)

    def _tell(self, text, but=None):
        """Put a message into everybody's outbox, who then reads it as quickly as they can."""
        for member in self.members.values():
            if member is not but:
                member.outbox.put(text)


class Rooms:
    """All rooms. epoch: of this memory: another one, and message numbers mean nothing any more."""

    def __init__(self):
        self.epoch = secrets.token_hex(8)
        self._rooms = {}  # name -> Room, the one that was entered last at the end

    def enter(self, name):
        """Return the room of that name, a new one where there is none. Raises Full."""
        room = self._rooms.pop(name, None)
        if room is None:
            self._make_place()
            room = Room(name)
        self._rooms[name] = room
        return room

    def listing(self):
        """Return name and number of people of the rooms that have any, the fullest first."""
        busy = [room for room in self._rooms.values() if room.members]
        busy.sort(key=lambda room: (-len(room.members), room.name))
        return [{"room": room.name, "people": len(room.members)} for room in busy]

    def _make_place(self):
        """Forget the room that has been empty for the longest, where there are too many."""
        if len(self._rooms) < ROOM_COUNT_LIMIT:
            return
        empty = next((name for name, room in self._rooms.items() if not room.members), None)
        if empty is None:
            raise Full(f"All {ROOM_COUNT_LIMIT} rooms are in use.")
        del self._rooms[empty]
