/* The SAs of a node: keys of pairs and of the network's group, put to use. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_SAS_H
#define TW_NODE_SAS_H

#include "node/packet_key.h"
#include "node/port.h"

/*
 * One SA for each group, epoch and sender: `receive` takes packets of all other members of an epoch, `send` seals under
 * our own leaf. An owner is a peer's number, or TW_SAS_NETWORK for the network's group.
 *
 * Numbers are reserved on the disk before they are used, TW_SAS_BLOCK at a time: what was reserved last is skipped
 * after a crash.
 *
 * Which numbers have come is written down in a good end (tw_sas_save_windows) alone. After a crash nobody knows, and
 * what was sent under these keys could come once more: they are not taken up again, and the owner needs fresh ones.
 *
 * Threads that handle packets may share the SAs with their owner's thread. The owner alone adds and removes SAs,
 * derives keys and waits for the disk; where the others would notice, it has that done between two packets, while all
 * of them rest (`between`). So the way of packets has no lock, and does not wait. Functions for it are marked: packets.
 * All threads may send under one SA; what is received under one is one thread's, who it is has to follow from the SPI.
 */
#define TW_SAS_NETWORK UINT32_MAX
#define TW_SAS_BLOCK                                                                                                   \
  (UINT64_C(1) << 18) /* after a restart each of them counts as a full packet of the limit in bytes */

typedef struct tw_sas tw_sas;

/** Borrowed as long as the SAs are; copied itself. */
typedef struct tw_sas_config {
  const tw_env *env;
  const tw_env *packet_env; /* with a provider of packets' own; NULL: `env` */
  const tw_node_port *port; /* save and load */
  uint64_t grace_ms;        /* that old receiving SAs stay once the other side was seen on new ones */
  uint64_t rekey_packets;   /* of one sending SA, after which new keys are wanted; 0: the cipher's own limits alone */
  uint64_t rekey_bytes;
  uint32_t owners;  /* peers have numbers below this */
  unsigned threads; /* that handle packets, TW_ESP_THREADS_MAX at most; 0 is 1 */
  bool sign;        /* what goes under the network's keys is signed, and nothing else is taken (D23) */
  /** Keys to send under are there for the first time, or again: what waits for them can go. `nudge` as in port.h. */
  void (*ready)(void *ctx, uint32_t owner, bool nudge);
  /** `act` is called while no packet is handled, by one who may use `packet_env`, and has been when this returns. NULL:
   * at once. */
  void (*between)(void *ctx, void (*act)(void *arg), void *arg);
  void *ctx;
} tw_sas_config;

/** TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_sas_new(const tw_sas_config *config, tw_sas **sas);
void tw_sas_free(tw_sas *sas);
/** For engines: what they do with keys is done here. Borrowed from the SAs. */
const tw_node_keys *tw_sas_keys(tw_sas *sas);
/** How it is now, in ms since 1970: for what has no argument of its own. */
void tw_sas_set_time(tw_sas *sas, uint64_t now_ms);

/** Packets: an SA to send under; NULL: none, or nothing to sign with. Borrowed until keys change. */
tw_esp_out *tw_sas_out(tw_sas *sas, uint32_t owner);
/** Packets: what they are signed with by this one of the threads; NULL: they are not. */
const tw_packet_signer *tw_sas_signer(tw_sas *sas, uint32_t owner, unsigned thread);
/** Packets: whether the network's are signed. */
bool tw_sas_signs(const tw_sas *sas);
/** Packets, after sealing: whether so few reserved numbers are left that the owner should call tw_sas_used. */
bool tw_sas_is_low(const tw_sas *sas, uint32_t owner);
/** Reserve more when little is left. Errors: of the store; sending ends when all is used. */
TW_MUST_USE tw_err tw_sas_used(tw_sas *sas, uint32_t owner);
/** Packets: whether new keys should be made: a limit of what is sent or of what did not open is near. */
bool tw_sas_wants_rekey(const tw_sas *sas, uint32_t owner);

/** A receiving SA. */
typedef struct tw_sa_in {
  tw_esp_in esp;
  uint32_t owner;
  uint32_t leaf;       /* the sender's */
  tw_client_id member; /* the same; of the network's group alone */
  tw_packet_verifier verifier;
  uint32_t peer;       /* for the plane: whose number that is, as of `peer_as_of` */
  uint32_t peer_as_of; /* 0: not looked up yet */
  uint64_t epoch;
  uint64_t stamp;
  uint64_t until_ms; /* UINT64_MAX: not given up yet */
  bool opened;       /* something has opened under it */
  bool refused;      /* these keys could not be taken up (see above): nothing opens under them */
  struct tw_sa_in *next;
} tw_sa_in;
/** Packets: by SPI; NULL: there is none. Borrowed until keys change or tw_sas_tick. */
tw_sa_in *tw_sas_in(tw_sas *sas, uint32_t spi);
/**
 * Packets: the next one with the same SPI; NULL: there is none. SPIs come from exporters, and nobody chooses them: two
 * groups may have the same, and a member who tries 2^28 epochs may bring it about.
 */
tw_sa_in *tw_sas_in_next(const tw_sa_in *sa);
/** How many there are of an owner. */
size_t tw_sas_count(const tw_sas *sas, uint32_t owner);
/** How many there have ever been: packets that wait for keys may open when it has grown. */
uint64_t tw_sas_added(const tw_sas *sas);

/** When tw_sas_tick wants to be called; UINT64_MAX: not at all. */
uint64_t tw_sas_deadline(const tw_sas *sas);
/** Wipe what is to be given up. */
void tw_sas_tick(tw_sas *sas, uint64_t now_ms);
/**
 * At the start, around loading: receiving SAs are taken up as they were in the last good end, or not at all.
 * tw_sas_loaded removes what was written down then from the store; errors are the store's.
 */
void tw_sas_begin_load(tw_sas *sas);
TW_MUST_USE tw_err tw_sas_loaded(tw_sas *sas);
/** Whether keys of the owner could not be taken up: fresh ones should be made. */
bool tw_sas_is_stale(const tw_sas *sas, uint32_t owner);
/** In the end: nothing may be opened after this. */
TW_MUST_USE tw_err tw_sas_save_windows(tw_sas *sas);

/** At the start, once everything is loaded: whether a value of kind TW_STORE_NODE is a mark that no SA has. */
bool tw_sas_is_stale_mark(const tw_sas *sas, tw_bytes id);

#endif
