/* X.509 certificates: chains, names, revocation. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_X509_X509_H
#define TW_X509_X509_H

#include <treewire/bytes.h>

#include "net/report.h"

/*
 * Chains are verified by libcrypto (RFC 5280), in a library context of the room's own: no configuration file of the
 * machine has a say. Added to that are the rules for what a certificate may be used for, and names by RFC 9525.
 *
 * "Certificates" are the content of an x509 credential (RFC 9420 section 5.3): opaque cert_data<V> one after the other,
 * the end-entity one first. Times are seconds since 1970.
 */
enum {
  TW_X509_CHAIN_MAX = 8,               /* certificates that a peer may send */
  TW_X509_CERTIFICATE_MAX = 32 * 1024, /* bytes of one of them */
  TW_X509_FILE_MAX = 64 * 1024 * 1024, /* bytes of a file with CAs or CRLs */
  TW_X509_PEM_MAX = 512 * 1024,        /* bytes of a file with our own chain or key */
  TW_X509_TEXT = 256,                  /* of subjects and lists of names, with the end */
  TW_X509_NAME = 254,                  /* of one name, with the end */
  TW_X509_SERIAL = 2 * 20 + 1          /* hexadecimal digits of a serial number, with the end */
};

/** The library context. Used by one thread. */
typedef struct tw_x509 tw_x509;
/** TW_ERR_NO_MEMORY. It outlives what is made with it. */
TW_MUST_USE tw_err tw_x509_new(tw_x509 **x509);
/** NULL is fine. */
void tw_x509_free(tw_x509 *x509);

/* ---- whom we trust ---- */

/** CAs and their CRLs. */
typedef struct tw_x509_trust tw_x509_trust;
/** Empty: trusts nobody. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_x509_trust_new(tw_x509 *x509, tw_x509_trust **trust);
/** NULL is fine. */
void tw_x509_trust_free(tw_x509_trust *trust);
/**
 * Take all certificates of a PEM file as trust anchors, whether they are self-signed or not. `source` is its name for
 * the report. TW_ERR_ENCODING: none, or one that does not parse; `trust` is of no use then.
 */
TW_MUST_USE tw_err tw_x509_trust_add_anchors(tw_x509_trust *trust, const char *source, tw_bytes pem, tw_report *report);
/**
 * Take CRLs, PEM or DER, one after the other; after the anchors. From the first one on, every certificate below an
 * anchor needs a CRL of its issuer. Errors with a report, after which `trust` is of no use: TW_ERR_ENCODING,
 * TW_ERR_UNSUPPORTED for a delta CRL, TW_ERR_LIFETIME for one that is out of date at `now` or says no end,
 * TW_ERR_SIGNATURE for one that has the name of an anchor and not its signature. CRLs of other CAs are checked when a
 * chain needs them.
 */
TW_MUST_USE tw_err tw_x509_trust_add_crls(tw_x509_trust *trust, const char *source, tw_bytes crls, uint64_t now,
                                          tw_report *report);
size_t tw_x509_trust_anchors(const tw_x509_trust *trust);
/** The anchors as certificates, for others: appended. TW_ERR_LIMIT: one of more than TW_X509_CERTIFICATE_MAX;
 * TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_x509_trust_give_anchors(const tw_x509_trust *trust, tw_buf *certificates);
/** The PEM file that tw_x509_trust_add_anchors takes such certificates from, appended. TW_ERR_CERTIFICATE with a
 * report: none, or what is none; TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_x509_anchors_file(tw_x509 *x509, tw_bytes certificates, tw_buf *pem, tw_report *report);
size_t tw_x509_trust_crls(const tw_x509_trust *trust);
/** Whether both were made of the same files' content, so that they judge alike at any time. */
bool tw_x509_trust_is_same(const tw_x509_trust *a, const tw_x509_trust *b);

/* ---- who it is ---- */

/** What a certificate says of its holder, as printable ASCII, cut where it is long. */
typedef struct tw_x509_holder {
  char subject[TW_X509_TEXT]; /* RFC 4514: "CN=server.example,O=…"; "" where it has none */
  char names[TW_X509_TEXT];   /* of subjectAltName: "DNS:server.example, IP:192.0.2.1"; "" where it has none */
  char name[TW_X509_NAME];    /* the name that it was accepted for; where none was asked for, the first of them */
  char serial[TW_X509_SERIAL];
  uint64_t not_before;
  uint64_t not_after; /* after tw_x509_verify: the earliest end in its chain */
} tw_x509_holder;

typedef enum tw_x509_side {
  TW_X509_LISTENER = 1, /* extendedKeyUsage serverAuth */
  TW_X509_CONNECTOR = 2 /* extendedKeyUsage clientAuth */
} tw_x509_side;

/** What a certificate has to be good for. Borrowed. */
typedef struct tw_x509_question {
  tw_bytes certificates;
  tw_x509_side side;        /* its holder's */
  const char *const *names; /* it has to be valid for one of these, as tw_x509_name_parse gives them */
  size_t name_count;        /* 0: for any */
  uint64_t now;
} tw_x509_question;

/**
 * Whether the chain is good: signatures up to an anchor, validity of each certificate, CA rights, path lengths, name
 * constraints, revocation, the use, the name. The order of certificates after the first does not matter, and further
 * ones do no harm (RFC 8446 section 4.4.2). On success `*holder` (which may be NULL) is filled, else `report` says what
 * is wrong. Errors: TW_ERR_CERTIFICATE, TW_ERR_CERTIFICATE_USE, TW_ERR_CERTIFICATE_EXPIRED, TW_ERR_CERTIFICATE_REVOKED,
 * TW_ERR_UNKNOWN_CA; TW_ERR_CREDENTIAL where it is for us to put it right (no CRL, or an old one); TW_ERR_NO_MEMORY.
 */
TW_MUST_USE tw_err tw_x509_verify(const tw_x509_trust *trust, const tw_x509_question *question, tw_x509_holder *holder,
                                  tw_report *report);
/** What the end-entity certificate says. Nothing is verified. TW_ERR_CERTIFICATE. */
TW_MUST_USE tw_err tw_x509_describe(tw_x509 *x509, tw_bytes certificates, tw_x509_holder *holder);

/* ---- names ---- */

typedef enum tw_x509_name_rule {
  TW_X509_NAME_ASKED = 1, /* to ask a certificate for: no wildcard */
  TW_X509_NAME_GIVEN = 2  /* to put into one: "*" may be the first label */
} tw_x509_name_rule;

/**
 * A DNS name (letters, digits, hyphens; lower case and without the dot at its end in `out`) or an IP address, with or
 * without brackets. `out` has room for TW_X509_NAME. TW_ERR_ARGUMENT with a report.
 */
TW_MUST_USE tw_err tw_x509_name_parse(const char *text, tw_x509_name_rule rule, char *out, tw_report *report);
/** Whether a parsed name is an IP address. */
bool tw_x509_name_is_address(const char *name);

/**
 * The DNS names of the first certificate in lower case; `names` has room for `max`. `*count` is 0, which stands for any
 * name, where it has none, more than `max`, or one with a wildcard. TW_ERR_CERTIFICATE.
 */
TW_MUST_USE tw_err tw_x509_dns_names(tw_x509 *x509, tw_bytes certificates, char (*names)[TW_X509_NAME], size_t max,
                                     size_t *count);
/** An iPAddress of subjectAltName: 4 or 16 bytes. */
typedef struct tw_x509_address {
  uint8_t len;
  uint8_t bytes[16];
} tw_x509_address;
/**
 * The addresses of the first certificate, at most `max` of them. Nothing is verified. TW_ERR_CERTIFICATE.
 */
TW_MUST_USE tw_err tw_x509_addresses(tw_x509 *x509, tw_bytes certificates, tw_x509_address *addresses, size_t max,
                                     size_t *count);

/* ---- our own ---- */

/**
 * The chain in a PEM file, ours first, appended to `certificates`. TW_ERR_ENCODING, TW_ERR_LIMIT with a report.
 */
TW_MUST_USE tw_err tw_x509_chain_read(tw_x509 *x509, const char *source, tw_bytes pem, tw_buf *certificates,
                                      tw_report *report);

/** The tw_signature.id of the key in the first certificate. TW_ERR_CERTIFICATE, TW_ERR_UNSUPPORTED. */
TW_MUST_USE tw_err tw_x509_scheme(tw_x509 *x509, tw_bytes certificates, uint16_t *scheme);

/** Asked for the passphrase of an encrypted key: append it; TW_ERR_STATE with a report where there is none. */
typedef tw_err (*tw_x509_passphrase)(void *ctx, tw_buf *passphrase, tw_report *report);

/**
 * The private key in a PEM file, as tw_signer_import takes it; `*scheme` is its tw_signature.id. `passphrase` may be
 * NULL. TW_ERR_ENCODING (no such key), TW_ERR_UNSUPPORTED (an algorithm that no suite has), TW_ERR_STATE (encrypted,
 * and no passphrase opens it), with a report that shows nothing of the key.
 */
TW_MUST_USE tw_err tw_x509_key_read(tw_x509 *x509, const char *source, tw_bytes pem, tw_x509_passphrase passphrase,
                                    void *passphrase_ctx, uint16_t *scheme, tw_buf *private_key, tw_report *report);

#endif
