/* How the verbs talk to a node that runs. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_NODE_SOCKET_H
#define TW_CLI_NODE_SOCKET_H

#include <treewire/bytes.h>
#include <uv.h>

#include "net/report.h"

/*
 * A node listens at a UNIX socket, /run/treewire/NAME/node.sock with mode 0600 (TREEWIRE_RUN names another folder). One
 * line comes in, words with single blanks between them, at most TW_NODE_LINE bytes; what the node has to say goes back,
 * and then the connection ends. An answer that begins with '!' says what went wrong.
 */
enum { TW_NODE_LINE = 512, TW_NODE_SOCKET_PATH = 108, TW_NODE_ANSWER_MAX = 64 << 20 };

/** The socket's path; TW_ERR_ARGUMENT with a report where it is too long. */
TW_MUST_USE tw_err tw_node_socket_path(const char *name, char path[TW_NODE_SOCKET_PATH], tw_report *report);

/* ---- the node's side ---- */

typedef struct tw_node_socket tw_node_socket;

/** Append the answer to a line. */
typedef void (*tw_node_command)(void *ctx, const char *line, tw_buf *answer);

/**
 * Listen; the folder is made. TW_ERR_STATE with a report: somebody else does, or the system refuses. What a process
 * that was killed has left is replaced.
 */
TW_MUST_USE tw_err tw_node_socket_open(uv_loop_t *loop, const char *path, tw_node_command command, void *ctx,
                                       tw_node_socket **socket, tw_report *report);
/** It frees itself. The path stays, for the caller to remove once all that the node held is free. NULL is fine. */
void tw_node_socket_close(tw_node_socket *socket);

/* ---- the verbs' side ---- */

/**
 * Ask and wait for the whole answer. TW_ERR_STATE with a report: there is no node of that name, or the node's answer
 * was one of those with '!', without it.
 */
TW_MUST_USE tw_err tw_node_ask(const char *name, const char *line, tw_buf *answer, tw_report *report);
/** Whether there is one. */
bool tw_node_is_there(const char *path);

#endif
