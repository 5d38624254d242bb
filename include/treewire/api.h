/* Symbol visibility and attributes. SPDX-License-Identifier: Apache-2.0 */
#ifndef TREEWIRE_API_H
#define TREEWIRE_API_H

/*
 * TW_API: exported from the shared library; everything else in it is hidden. TW_MUST_USE: the compiler warns when the
 * result is dropped.
 */
#if defined(__GNUC__)
#define TW_API __attribute__((visibility("default")))
#define TW_MUST_USE __attribute__((warn_unused_result))
#else
#define TW_API
#define TW_MUST_USE
#endif

/* The version of these headers. Before 1.0 a new minor version may change the interface and what goes on the wire. */
#define TW_VERSION_MAJOR 0
#define TW_VERSION_MINOR 1
#define TW_VERSION_PATCH 0

#endif
