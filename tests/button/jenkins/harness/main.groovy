// Reads scenarios from standard input, one JSON object a line, runs the Jenkinsfile once for each, and prints what
// came of it, one JSON object a line.
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import org.codehaus.groovy.control.CompilerConfiguration

// Stand-ins under their real names, so that an import or a catch in the Jenkinsfile means what it says.
String standIns = '''
package org.jenkinsci.plugins.workflow.steps
class FlowInterruptedException extends InterruptedException {
    final String result
    final List causes
    FlowInterruptedException(String result, Object cause) {
        super(cause.toString())
        this.result = result
        this.causes = [cause]
    }
}
'''
List<String> others = [
    'package hudson\nclass AbortException extends IOException { AbortException(String text) { super(text) } }',
    'package org.jenkinsci.plugins.workflow.support.steps.input\nclass Rejection { String toString() { "Rejected by bob" } }',
    'package org.jenkinsci.plugins.workflow.steps\nclass TimeoutStepExecution { static class ExceededTimeout { ' +
        'String toString() { "Timeout has been exceeded" } } }',
    'package jenkins.model\nclass CauseOfInterruption { static class UserInterruption { ' +
        'String toString() { "Aborted by bob" } } }',
]
CompilerConfiguration configuration = new CompilerConfiguration(scriptBaseClass: 'Pipeline')
GroovyClassLoader plain = new GroovyClassLoader(this.class.classLoader)
([standIns] + others).each { plain.parseClass(it) }
GroovyClassLoader loader = new GroovyClassLoader(plain, configuration)

System.in.eachLine { line ->
    Map scenario = new JsonSlurper().parseText(line)
    Jenkins jenkins = new Jenkins(scenario: scenario, answers: scenario.answers as List, loader: plain)
    String problem = null
    try {
        Script script = loader.parseClass(new File(scenario.jenkinsfile)).newInstance()
        script.binding = new Names(jenkins: jenkins)
        jenkins.script = script
        script.run()
    } catch (Throwable thrown) {
        StringWriter trace = new StringWriter()
        thrown.printStackTrace(new PrintWriter(trace))
        problem = trace.toString()
    }
    println JsonOutput.toJson([
        problem: problem, result: jenkins.currentBuild.currentResult, description: jenkins.currentBuild.description,
        console: jenkins.console.join('\n'), steps: jenkins.steps, questions: jenkins.questions,
        archived: jenkins.archived, order: jenkins.order, unanswered: jenkins.answers.size()])
    System.out.flush()
}
