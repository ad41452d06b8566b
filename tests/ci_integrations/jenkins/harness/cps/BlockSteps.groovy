/** The steps that have a body. The body belongs to the program, so these are transformed, too. */
class BlockSteps implements Serializable {
    private static final long serialVersionUID = 1L

    final Jenkins jenkins

    BlockSteps(Jenkins jenkins) { this.jenkins = jenkins }

    Object script(Closure body) { return body() }

    Object timeout(Map given, Closure body) {
        jenkins.enter('timeout', given)
        try {
            return body()
        } finally {
            jenkins.leave('timeout')
        }
    }

    Object withEnv(List given, Closure body) {
        jenkins.enter('withEnv', given)
        try {
            return body()
        } finally {
            jenkins.leave('withEnv')
        }
    }

    Object withCredentials(List given, Closure body) {
        jenkins.enter('withCredentials', given)
        try {
            return body()
        } finally {
            jenkins.leave('withCredentials')
        }
    }
}
